/* SPDX-License-Identifier: MIT */

#include "thread_sums.h"

#include <stdexcept>
#include <string>

namespace mlpot {

namespace {

  void add(double *sum, const double *part, std::size_t first, std::size_t last)
  {
    for (std::size_t k = first; k < last; k++) sum[k] += part[k];
  }

}    // namespace

void ThreadSums::start(int n_atoms, const mlpot_result &result)
{
  const auto own = [n_atoms](AlignedArray<double> &array, const double *wanted, std::size_t width) {
    if (!wanted) return static_cast<double *>(nullptr);
    array.assign(n_atoms * width);
    return array.data();
  };
  for (std::size_t index = 0; index < parts.size(); index++) {
    Part &part = parts[index];
    part.sums = {};
    part.sums.failed_atom = -1;
    part.sums.atomic_energies = result.atomic_energies;    // of the centres: no two threads meet
    part.sums.forces = result.forces;
    part.sums.atomic_virials = result.atomic_virials;
    part.sums.centroid_virials = result.centroid_virials;
    if (index == 0) continue;
    part.sums.forces = own(part.forces, result.forces, 3);
    part.sums.atomic_virials = own(part.atomic_virials, result.atomic_virials, 9);
    part.sums.centroid_virials = own(part.centroid_virials, result.centroid_virials, 9);
  }
}

/* Throws std::runtime_error and sets result.failed_atom when a value is not finite. */
void ThreadSums::add_up(int n_atoms, mlpot_result &result)
{
  for (const Part &part : parts) {
    result.energy += part.sums.energy;
    add(result.virial, part.sums.virial, 0, 9);
  }
  if (pool.size() > 1)
    pool.run([&](int index) {
      const std::size_t first = part_of(n_atoms, index, pool.size());
      const std::size_t last = part_of(n_atoms, index + 1, pool.size());
      for (std::size_t thread = 1; thread < parts.size(); thread++) {
        const Sums &sums = parts[thread].sums;
        if (result.forces) add(result.forces, sums.forces, 3 * first, 3 * last);
        if (result.atomic_virials)
          add(result.atomic_virials, sums.atomic_virials, 9 * first, 9 * last);
        if (result.centroid_virials)
          add(result.centroid_virials, sums.centroid_virials, 9 * first, 9 * last);
      }
    });
  stop_on_failure(result);
}

void ThreadSums::stop_on_failure(mlpot_result &result) const
{
  for (const Part &part : parts) {
    if (part.sums.failed_atom < 0) continue;
    result.failed_atom = part.sums.failed_atom;
    throw std::runtime_error(std::string("the model gave ") +
                             (part.sums.failed_energy ? "an energy" : "a force") +
                             " that is not a finite number");
  }
}

double ThreadSums::bytes() const
{
  double total = 0.0;
  for (const Part &part : parts)
    total += static_cast<double>(part.forces.bytes() + part.atomic_virials.bytes() +
                                 part.centroid_virials.bytes());
  return total;
}

}    // namespace mlpot
