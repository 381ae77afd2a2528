/* SPDX-License-Identifier: MIT

   What the threads of an evaluation add up: the first to the arrays of the result, the others to arrays
   of their own. */

#ifndef MLPOT_THREAD_SUMS_H
#define MLPOT_THREAD_SUMS_H

#include "aligned_array.h"
#include "engine_api.h"
#include "kernel.h"
#include "thread_pool.h"

#include <vector>

namespace mlpot {

/* Part `index` of `n` things in `parts` equal parts. */
inline int part_of(int n, int index, int parts)
{
  return static_cast<int>(static_cast<long long>(n) * index / parts);
}

class ThreadSums {
 public:
  explicit ThreadSums(ThreadPool &pool) : pool(pool), parts(pool.size()) {}

  void start(int n_atoms, const mlpot_result &result);
  Sums *of_thread(int index) { return &parts[index].sums; }
  void add_up(int n_atoms, mlpot_result &result);
  double bytes() const;

 private:
  struct Part {
    Sums sums;
    AlignedArray<double> forces, atomic_virials, centroid_virials;
  };
  ThreadPool &pool;
  std::vector<Part> parts;

  void stop_on_failure(mlpot_result &result) const;
};

}    // namespace mlpot

#endif
