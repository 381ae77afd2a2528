/* SPDX-License-Identifier: MIT

   Screened repulsion of two nuclei and how it replaces the learned density at close range: the same
   as mlpot/model/zbl.py, where it is explained. Always in double precision.

   Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Solids (1985), eqs. 2-60, 2-61. */

#ifndef MLPOT_REPULSION_H
#define MLPOT_REPULSION_H

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  /* Derivatives with respect to the distance. */
  struct CorePair {
    double energy, slope;    // half of the pair's, eV, eV/A
    double closeness, closeness_slope;
  };

  inline void core_envelope(double reach, double r, CorePair &pair)
  {
    const double x = r / reach, x2 = x * x, x5 = x2 * x2 * x, x6 = x5 * x;
    pair.closeness = 1.0 - 28.0 * x6 + 48.0 * x6 * x - 21.0 * x6 * x2;
    pair.closeness_slope = -168.0 * x5 * (1.0 - x) * (1.0 - x) / reach;
  }

  inline CorePair core_pair(double zi, double zj, double reach, double r)
  {
    constexpr double WEIGHT[4] = {0.18175, 0.50986, 0.28022, 0.028171};
    constexpr double DECAY[4] = {3.1998, 0.94229, 0.4029, 0.20162};
    constexpr double INVERSE_LENGTH = 1.0 / (0.8854 * 0.529177211), HALF_COULOMB = 0.5 * 14.399645;
    CorePair pair;
    core_envelope(reach, r, pair);
    const double scale = (std::pow(zi, 0.23) + std::pow(zj, 0.23)) * INVERSE_LENGTH;
    double screening = 0.0, screening_slope = 0.0;
    for (int k = 0; k < 4; k++) {
      const double term = WEIGHT[k] * std::exp(-DECAY[k] * scale * r);
      screening += term;
      screening_slope -= DECAY[k] * scale * term;
    }
    const double coulomb = HALF_COULOMB * zi * zj / r;
    const double energy = coulomb * screening;
    const double slope = coulomb * (screening_slope - screening / r);
    pair.energy = pair.closeness * energy;
    pair.slope = pair.closeness_slope * energy + pair.closeness * slope;
    return pair;
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
