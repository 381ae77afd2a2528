/* SPDX-License-Identifier: MIT */

#include "evaluation.h"

#include <pthread.h>

#include <condition_variable>

namespace {

struct InProgress {
  std::mutex mutex;    // held during a fork
  std::condition_variable none;
  int n = 0;
};

/* Never destroyed: engines may outlive the static objects of the module. */
InProgress &in_progress()
{
  static auto &evaluations = *new InProgress;
  return evaluations;
}

void before_fork()
{
  InProgress &evaluations = in_progress();
  std::unique_lock<std::mutex> lock(evaluations.mutex);
  evaluations.none.wait(lock, [&] {
    return evaluations.n == 0;
  });
  lock.release();
}

void after_fork()
{
  in_progress().mutex.unlock();
}

}    // namespace

/* Counted before the engine is locked: a fork must not find an engine locked by a thread that waits for the fork. */
Evaluation::Evaluation(std::mutex &engine) : engine(engine)
{
  {
    const std::lock_guard<std::mutex> lock(in_progress().mutex);
    in_progress().n++;
  }
  engine.lock();
}

Evaluation::~Evaluation()
{
  engine.unlock();
  const std::lock_guard<std::mutex> lock(in_progress().mutex);
  if (--in_progress().n == 0) in_progress().none.notify_all();
}

void Evaluation::let_fork_wait()
{
  static const int registered = pthread_atfork(before_fork, after_fork, after_fork);
  static_cast<void>(registered);
}
