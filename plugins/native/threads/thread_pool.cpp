/* SPDX-License-Identifier: MIT */

#include "threads/thread_pool.h"

#include <unistd.h>

#include <condition_variable>
#include <exception>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <vector>

namespace mlpot {

struct ThreadPool::Team {
  const int n_parts;
  std::vector<std::thread> threads;    // besides the calling one
  std::mutex mutex;
  std::condition_variable start, done;
  const std::function<void(int)> *work = nullptr;
  unsigned long round = 0;
  int running = 0;
  bool stopping = false;
  std::exception_ptr failure;

  explicit Team(int n_parts) : n_parts(n_parts)
  {
    threads.reserve(n_parts - 1);
    try {
      while (size() < n_parts)
        threads.emplace_back([this, index = size()] {
          wait_for_work(index);
        });
    } catch (
        const std::system_error &) {    // limits such as ulimit -u: those that exist do the work
    } catch (const std::bad_alloc &) {
    }
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

  int size() const { return static_cast<int>(threads.size()) + 1; }

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
    work_on_parts(0);
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
      work_on_parts(index);
      lock.lock();
      if (--running == 0) done.notify_one();
    }
  }

  void work_on_parts(int thread)
  {
    for (int part = thread; part < n_parts; part += size()) guarded(part);
  }

  void guarded(int part)
  {
    try {
      (*work)(part);
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  }
};

ThreadPool::ThreadPool(int n_threads) : n_parts(n_threads > 1 ? n_threads : 1)
{
  if (n_parts > 1) start();
}

ThreadPool::~ThreadPool()
{
  // after a fork, the team can be neither joined nor destroyed
  if (process != getpid()) team.release();
}

void ThreadPool::start()
{
  team.release();
  team = std::make_unique<Team>(n_parts);
  process = getpid();
}

int ThreadPool::n_threads() const
{
  return team ? team->size() : 1;
}

void ThreadPool::run(const std::function<void(int)> &action)
{
  if (n_parts == 1) return action(0);
  if (process != getpid()) start();
  team->run(action);
}

}    // namespace mlpot
