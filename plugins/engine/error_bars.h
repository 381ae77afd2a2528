/* SPDX-License-Identifier: MIT

   Standard deviations of the members of a committee and calibrated error bars, by the formulas of
   docs/model-file.md. mlpot/uncertainty is the same in Python. */

#ifndef MLPOT_ERROR_BARS_H
#define MLPOT_ERROR_BARS_H

#include "json.h"

#include <cmath>
#include <cstddef>
#include <vector>

namespace mlpot {

/* Weighted root mean square of the feature distances of an atom and its neighbors. */
inline double neighborhood_distance(const double *sums)
{
  return std::sqrt(sums[0] / sums[1]);
}

/* Complete forces of the members, [member][atom][3]. */
struct MemberForces {
  int n_atoms;
  const int *species;    // -1: not part of the model
  const double *values;
  std::size_t stride;             // atoms from one member to the next
  const double *distance_sums;    // [atom][2] or null
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

  /* Results may be null; throws std::runtime_error if one is requested that the model does not have. */
  void of_forces(const MemberForces &forces, double *ensemble_std, double *error_bars) const;
  void of_energy(const double *energies, double *ensemble_std, double *error_bars) const;

 private:
  std::vector<double> force_scale;    // [element]; empty: not calibrated
  double distance_limit = 0.0;        // 0: error bars do not depend on the distance
  double energy_scale = 0.0;          // 0: not calibrated

  void read_calibration(const Json &calibration, int n_elements);
  double member_variance(const double *first, std::size_t stride) const;
  void check(bool needs_calibration, bool calibrated, const char *what) const;
};

}    // namespace mlpot

#endif
