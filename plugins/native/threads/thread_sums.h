/* SPDX-License-Identifier: MIT

   Sums of the threads of an evaluation: the first thread adds to the arrays of the result, the others to
   arrays of their own. Members of a committee are the mean plus their deviations; the last deviation is minus
   the sum of the others. */

#ifndef MLPOT_THREAD_SUMS_H
#define MLPOT_THREAD_SUMS_H

#include "engine_api.h"
#include "kernels/aligned_array.h"
#include "kernels/kernel.h"
#include "threads/thread_pool.h"

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

  void start(int n_atoms, int n_deviations, const mlpot_result &result);
  Sums *of_thread(int index) { return &parts[index].sums; }
  void add_up(int n_atoms, mlpot_result &result);
  double bytes() const;

 private:
  struct Part {
    Sums sums;
    AlignedArray<double> forces, atomic_virials, centroid_virials, distance_sums;
    AlignedArray<double> deviation_energies, deviation_forces, deviation_virials;
  };
  ThreadPool &pool;
  std::vector<Part> parts;
  int n_deviations = 0;

  void start_deviations(int n_atoms, const mlpot_result &result, Part &part);
  void add_members(const double *mean, std::size_t size, double *DeviationSums::*deviations,
                   double *members) const;
  void add_member_forces(std::size_t first, std::size_t last, std::size_t n_atoms,
                         const mlpot_result &result) const;
  void stop_on_failure(mlpot_result &result) const;
};

}    // namespace mlpot

#endif
