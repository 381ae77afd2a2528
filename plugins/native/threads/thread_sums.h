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
#include "threads/touched_atoms.h"

#include <vector>

namespace mlpot {

class ThreadSums {
 public:
  explicit ThreadSums(ThreadPool &pool) : pool(pool), parts(pool.size()) {}

  void start(int n_atoms, int n_deviations, const mlpot_result &result);
  /* Called by the thread: its arrays are cleared in the first call, so that their memory is near to it. */
  Sums *of_thread(int index, const TouchedAtoms &touched);
  void add_up(const TouchedAtoms &touched, mlpot_result &result);
  double bytes() const;

 private:
  /* An array with `width` values for each atom. */
  struct Rows {
    double *values;
    std::size_t width;
  };
  struct Part {
    Sums sums;
    std::vector<Rows> own;
    bool cleared;
    AlignedArray<double> forces, atomic_virials, centroid_virials, distance_sums;
    AlignedArray<double> deviation_energies, deviation_forces, deviation_virials;
  };
  ThreadPool &pool;
  std::vector<Part> parts;
  int n_atoms = 0, n_deviations = 0;

  double *own_rows(Part &part, AlignedArray<double> &array, bool requested, std::size_t width);
  void start_deviations(const mlpot_result &result, Part &part);
  static void clear(const Part &part, std::size_t first, std::size_t last);
  void add_to_first(const Part &part, std::size_t first, std::size_t last);
  void finish(std::size_t first, std::size_t last, mlpot_result &result) const;
  void add_members(const double *mean, std::size_t size, double *DeviationSums::*deviations,
                   double *members) const;
  void add_member_forces(std::size_t first, std::size_t last, const mlpot_result &result) const;
  void stop_on_failure(mlpot_result &result) const;
};

}    // namespace mlpot

#endif
