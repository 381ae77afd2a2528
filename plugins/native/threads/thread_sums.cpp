/* SPDX-License-Identifier: MIT */

#include "threads/thread_sums.h"

#include <algorithm>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace {

  void add(double *sum, const double *part, std::size_t first, std::size_t last)
  {
    for (std::size_t k = first; k < last; k++) sum[k] += part[k];
  }

}    // namespace

double *ThreadSums::own_rows(Part &part, AlignedArray<double> &array, bool requested,
                             std::size_t width)
{
  if (!requested) return nullptr;
  array.reserve(n_atoms * width);
  part.own.push_back({array.data(), width});
  return array.data();
}

void ThreadSums::start(int atoms, int deviations, const mlpot_result &result)
{
  n_atoms = atoms;
  n_deviations = deviations;
  const bool members = result.member_forces || result.member_virials;
  for (std::size_t index = 0; index < parts.size(); index++) {
    Part &part = parts[index];
    part.own.clear();
    part.cleared = false;
    part.sums = {};
    part.sums.failed_atom = -1;
    part.sums.atomic_energies = result.atomic_energies;    // of the centers, each in one thread
    part.sums.feature_distances = result.feature_distances;
    part.sums.distance_sums = result.distance_sums;
    part.sums.forces = result.forces;
    part.sums.atomic_virials = result.atomic_virials;
    part.sums.centroid_virials = result.centroid_virials;
    start_deviations(result, part);
    // member forces need the forces of this evaluation, without previous contents of the result
    if (index > 0 || members)
      part.sums.forces = own_rows(part, part.forces, members || result.forces, 3);
    if (index == 0) continue;
    part.sums.distance_sums = own_rows(part, part.distance_sums, result.distance_sums, 2);
    part.sums.atomic_virials = own_rows(part, part.atomic_virials, result.atomic_virials, 9);
    part.sums.centroid_virials = own_rows(part, part.centroid_virials, result.centroid_virials, 9);
  }
}

void ThreadSums::start_deviations(const mlpot_result &result, Part &part)
{
  const auto zeros = [this](AlignedArray<double> &array, bool requested, std::size_t width) {
    if (!requested) return static_cast<double *>(nullptr);
    array.assign(n_deviations * width);
    return array.data();
  };
  const bool forces = result.member_forces || result.member_virials;
  part.sums.deviations.energies = zeros(part.deviation_energies, result.member_energies, 1);
  part.sums.deviations.forces = own_rows(part, part.deviation_forces, forces, 3 * n_deviations);
  part.sums.deviations.virials = zeros(part.deviation_virials, result.member_virials, 9);
}

void ThreadSums::clear(const Part &part, std::size_t first, std::size_t last)
{
  for (const Rows &rows : part.own)
    std::fill(rows.values + first * rows.width, rows.values + last * rows.width, 0.0);
}

Sums *ThreadSums::of_thread(int index, const TouchedAtoms &touched)
{
  Part &part = parts[index];
  if (!part.cleared)
    touched.for_each(index, [&part](std::size_t first, std::size_t last) {
      clear(part, first, last);
    });
  part.cleared = true;
  return &part.sums;
}

void ThreadSums::add_to_first(const Part &part, std::size_t first, std::size_t last)
{
  const Sums &sums = parts[0].sums;
  const auto add_rows = [&](double *sum, const double *rows, std::size_t width) {
    if (sum) add(sum, rows, width * first, width * last);
  };
  add_rows(sums.forces, part.sums.forces, 3);
  add_rows(sums.distance_sums, part.sums.distance_sums, 2);
  add_rows(sums.atomic_virials, part.sums.atomic_virials, 9);
  add_rows(sums.centroid_virials, part.sums.centroid_virials, 9);
  add_rows(sums.deviations.forces, part.sums.deviations.forces, 3 * n_deviations);
}

/* From the sums over the threads to the results of a range of atoms. */
void ThreadSums::finish(std::size_t first, std::size_t last, mlpot_result &result) const
{
  const double *forces = parts[0].sums.forces;
  if (result.forces && result.forces != forces) add(result.forces, forces, 3 * first, 3 * last);
  if (result.member_forces) add_member_forces(first, last, result);
}

/* Throws std::runtime_error and sets result.failed_atom when a value is not finite. */
void ThreadSums::add_up(const TouchedAtoms &touched, mlpot_result &result)
{
  double energy = 0.0, virial[9] = {};
  for (const Part &part : parts) {
    energy += part.sums.energy;
    add(virial, part.sums.virial, 0, 9);
  }
  result.energy += energy;
  add(result.virial, virial, 0, 9);
  pool.run([&](int index) {
    touched.add_up(
        index,
        [this](std::size_t first, std::size_t last) {
          clear(parts[0], first, last);
        },
        [this](int part, std::size_t first, std::size_t last) {
          add_to_first(parts[part], first, last);
        },
        [&](std::size_t first, std::size_t last) {
          finish(first, last, result);
        });
  });
  if (result.member_energies)
    add_members(&energy, 1, &DeviationSums::energies, result.member_energies);
  if (result.member_virials) add_members(virial, 9, &DeviationSums::virials, result.member_virials);
  stop_on_failure(result);
}

/* `size` numbers per member. */
void ThreadSums::add_members(const double *mean, std::size_t size,
                             double *DeviationSums::*deviations, double *members) const
{
  for (std::size_t k = 0; k < size; k++) {
    double rest = 0.0;
    for (int r = 0; r < n_deviations; r++) {
      double own = 0.0;
      for (const Part &part : parts) own += (part.sums.deviations.*deviations)[r * size + k];
      members[r * size + k] += mean[k] + own;
      rest -= own;
    }
    members[n_deviations * size + k] += mean[k] + rest;
  }
}

void ThreadSums::add_member_forces(std::size_t first, std::size_t last,
                                   const mlpot_result &result) const
{
  const Sums &sums = parts[0].sums;
  const std::size_t size = 3 * static_cast<std::size_t>(n_atoms);
  for (std::size_t k = 3 * first; k < 3 * last; k++) {
    double rest = 0.0;
    for (int r = 0; r < n_deviations; r++) {
      const double own = sums.deviations.forces[(k / 3 * n_deviations + r) * 3 + k % 3];
      result.member_forces[r * size + k] += sums.forces[k] + own;
      rest -= own;
    }
    result.member_forces[n_deviations * size + k] += sums.forces[k] + rest;
  }
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
                                 part.centroid_virials.bytes() + part.deviation_energies.bytes() +
                                 part.deviation_forces.bytes() + part.deviation_virials.bytes() +
                                 part.distance_sums.bytes());
  return total;
}

}    // namespace mlpot
