/* SPDX-License-Identifier: MIT

   Threads that wait for work between two evaluations. Not OpenMP: two OpenMP libraries in one process
   (libtorch brings its own) conflict, and the number of threads would be global state.

   Work is divided into as many parts as threads are requested. If the system refuses some of the threads, the others
   do their parts, so that results do not depend on how many there are. */

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

  int size() const { return n_parts; }    // parts of the work
  int n_threads() const;                  // that could be created, the calling one included

  /* action(0) ... action(size - 1), the first in the calling thread; returns when all are done and
     passes on the first exception. */
  void run(const std::function<void(int)> &action);

 private:
  struct Team;

  const int n_parts;
  long process = 0;    // owner of the team: threads do not survive a fork
  std::unique_ptr<Team> team;

  void start();
};

}    // namespace mlpot

#endif
