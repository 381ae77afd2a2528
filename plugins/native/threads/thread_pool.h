/* SPDX-License-Identifier: MIT

   Threads that wait for work between two evaluations. Not OpenMP: two OpenMP libraries in one process
   (libtorch brings its own) conflict, and the number of threads would be global state. */

#ifndef MLPOT_THREAD_POOL_H
#define MLPOT_THREAD_POOL_H

#include <functional>
#include <memory>

namespace mlpot {

class ThreadPool {
 public:
  explicit ThreadPool(int n_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool &) = delete;
  ThreadPool &operator=(const ThreadPool &) = delete;

  int size() const { return n_threads; }

  /* action(0) ... action(size - 1), the first in the calling thread; returns when all are done and
     passes on the first exception. */
  void run(const std::function<void(int)> &action);

 private:
  struct Team;

  int n_threads;
  long process;    // owner of the team: threads do not survive a fork
  std::unique_ptr<Team> team;
};

}    // namespace mlpot

#endif
