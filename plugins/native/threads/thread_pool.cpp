/* SPDX-License-Identifier: MIT */

#include "threads/thread_pool.h"

#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace mlpot {

struct ThreadPool::Team {
  std::vector<std::thread> threads;
  std::mutex mutex;
  std::condition_variable start, done;
  const std::function<void(int)> *work = nullptr;
  unsigned long round = 0;
  int running = 0;
  bool stopping = false;
  std::exception_ptr failure;

  explicit Team(int n_threads)
  {
    for (int index = 1; index < n_threads; index++)
      threads.emplace_back([this, index] {
        wait_for_work(index);
      });
  }

  ~Team()
  {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    start.notify_all();
    for (std::thread &thread : threads) thread.join();
  }

  void run(const std::function<void(int)> &action)
  {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      work = &action;
      running = static_cast<int>(threads.size());
      failure = nullptr;
      round++;
    }
    start.notify_all();
    guarded(0);
    std::unique_lock<std::mutex> lock(mutex);
    done.wait(lock, [this] {
      return running == 0;
    });
    if (failure) std::rethrow_exception(failure);
  }

  void wait_for_work(int index)
  {
    unsigned long seen = 0;
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      start.wait(lock, [&] {
        return stopping || round != seen;
      });
      if (stopping) return;
      seen = round;
      lock.unlock();
      guarded(index);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }

  void guarded(int index)
  {
    try {
      (*work)(index);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }
};

ThreadPool::ThreadPool(int n) : n_threads(n > 1 ? n : 1), process(0) {}

ThreadPool::~ThreadPool()
{
  // after a fork, the team can be neither joined nor destroyed
  if (process != getpid()) team.release();
}

void ThreadPool::run(const std::function<void(int)> &action)
{
  if (n_threads == 1) return action(0);
  if (process != getpid()) {
    team.release();
    team = std::make_unique<Team>(n_threads);
    process = getpid();
  }
  team->run(action);
}

}    // namespace mlpot
