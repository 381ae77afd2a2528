/* SPDX-License-Identifier: MIT

   Evaluations of the engine in one process. `fork` waits until none is in progress: the child has only the forking
   thread, so an evaluation of another one would never end there, and its lock would never be released. */

#ifndef MLPOT_PYTHON_EVALUATION_H
#define MLPOT_PYTHON_EVALUATION_H

#include <mutex>

/* Exists while an engine computes, for one caller at a time. Made after the interpreter lock is released: a thread that
   forks holds that lock. */
class Evaluation {
 public:
  /* `engine`: held by the evaluations of one engine. */
  explicit Evaluation(std::mutex &engine);
  ~Evaluation();
  Evaluation(const Evaluation &) = delete;
  Evaluation &operator=(const Evaluation &) = delete;

  /* Once per process. */
  static void let_fork_wait();

 private:
  std::mutex &engine;
};

#endif
