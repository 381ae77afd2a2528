/* SPDX-License-Identifier: MIT

   From what the members of a committee say to how sure they are; docs/model-file.md has the formulas.
   mlpot/uncertainty does the same in Python. */

#ifndef MLPOT_ERROR_BARS_H
#define MLPOT_ERROR_BARS_H

#include "json.h"

#include <cmath>
#include <cstddef>
#include <vector>

namespace mlpot {

/* Root mean square feature distance of an atom and its neighbours, from what distance_sums has of it. */
inline double neighborhood_distance(const double *sums)
{
  return std::sqrt(sums[0] / sums[1]);
}

/* Complete forces of the members, [member][atom][3]; distance_sums [atom][2] may be null. */
struct MemberForces {
  int n_atoms;
  const int *species;    // -1: takes no part
  const double *values;
  std::size_t stride;    // atoms from one member to the next
  const double *distance_sums;
};

class ErrorBars {
 public:
  ErrorBars() = default;
  /* Throws std::runtime_error if the manifest of the model contradicts itself. */
  ErrorBars(const Json &manifest, int n_elements);

  int n_members = 1;
  bool has_distance = false;

  bool forces_calibrated() const { return !force_scale.empty(); }
  bool energy_calibrated() const { return energy_scale > 0.0; }

  /* Results may be null; throws std::runtime_error if there is nothing to make them of. */
  void of_forces(const MemberForces &forces, double *spread, double *sigma) const;
  void of_energy(const double *energies, double *spread, double *sigma) const;

 private:
  std::vector<double> force_scale;    // [element]; empty: not calibrated
  double distance_limit = 0.0;        // 0: the distance plays no role
  double energy_scale = 0.0;          // 0: not calibrated

  void read_calibration(const Json &calibration, int n_elements);
  double variance_of(const double *values, std::size_t stride) const;
  void check(bool wants_sigma, bool calibrated, const char *what) const;
};

}    // namespace mlpot

#endif
