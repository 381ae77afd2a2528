/* SPDX-License-Identifier: MIT

   Ziegler-Biersack-Littmark repulsion of two nuclei and its switching function, as in mlpot/model/zbl.py. Always
   in double precision.

   Ziegler, Biersack, Littmark, The Stopping and Range of Ions in Solids (1985), eqs. 2-60, 2-61. */

#ifndef MLPOT_ZBL_H
#define MLPOT_ZBL_H

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  /* Derivatives are with respect to the distance. */
  struct ZblPair {
    double energy, derivative;    // half of the pair's, eV, eV/A
    double switching, switching_derivative;
  };

  inline void switching_function(double switching_radius, double r, ZblPair &pair)
  {
    const double x = r / switching_radius, x2 = x * x, x5 = x2 * x2 * x, x6 = x5 * x;
    pair.switching = 1.0 - 28.0 * x6 + 48.0 * x6 * x - 21.0 * x6 * x2;
    pair.switching_derivative = -168.0 * x5 * (1.0 - x) * (1.0 - x) / switching_radius;
  }

  inline ZblPair zbl_pair(double zi, double zj, double switching_radius, double r)
  {
    constexpr double ZBL_WEIGHTS[4] = {0.18175, 0.50986, 0.28022, 0.028171};
    constexpr double ZBL_DECAYS[4] = {3.1998, 0.94229, 0.4029, 0.20162};
    constexpr double INVERSE_LENGTH = 1.0 / (0.8854 * 0.529177211), HALF_COULOMB = 0.5 * 14.399645;
    ZblPair pair;
    switching_function(switching_radius, r, pair);
    const double scale = (std::pow(zi, 0.23) + std::pow(zj, 0.23)) * INVERSE_LENGTH;
    double screening = 0.0, screening_derivative = 0.0;
    for (int k = 0; k < 4; k++) {
      const double term = ZBL_WEIGHTS[k] * std::exp(-ZBL_DECAYS[k] * scale * r);
      screening += term;
      screening_derivative -= ZBL_DECAYS[k] * scale * term;
    }
    const double coulomb = HALF_COULOMB * zi * zj / r;
    const double energy = coulomb * screening;
    const double derivative = coulomb * (screening_derivative - screening / r);
    pair.energy = pair.switching * energy;
    pair.derivative = pair.switching_derivative * energy + pair.switching * derivative;
    return pair;
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
