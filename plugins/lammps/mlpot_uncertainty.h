/* -*- c++ -*- ----------------------------------------------------------
   uncertainties of pair style mlpot, and how computes and fixes request them.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_MLPOT_UNCERTAINTY_H
#define LMP_MLPOT_UNCERTAINTY_H

#include "lmptype.h"

#include <vector>

namespace LAMMPS_NS {

// Uncertainties of one evaluation, for the atoms of this rank, in the units of the run: calibrated error bars where
// the model has a calibration, standard deviations over its members elsewhere.
struct MLPotUncertainty {
  enum { ENERGY = 1, ATOMS = 2 };    // what can be requested

  double energy;                    // of the energy of all atoms
  std::vector<double> forces;       // of a force component, per atom
  std::vector<double> distances;    // from the training set, per atom
};

class MLPotUncertaintyRequest {
 public:
  // flags of MLPotUncertainty that are needed at this step
  virtual int requested_at(bigint step) = 0;

 protected:
  ~MLPotUncertaintyRequest() = default;
};

}    // namespace LAMMPS_NS

#endif
