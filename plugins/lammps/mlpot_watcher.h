/* -*- c++ -*- ----------------------------------------------------------
   computes and fixes that ask pair style mlpot how sure it is.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_MLPOT_WATCHER_H
#define LMP_MLPOT_WATCHER_H

#include "lmptype.h"

#include <vector>

namespace LAMMPS_NS {

// What the members of a model say of an evaluation; of the atoms of this rank, in the units of the run.
struct MLPotUncertainty {
  enum { ENERGY = 1, ATOMS = 2 };    // what can be asked for

  double energy;                    // error bar of the energy of all atoms
  std::vector<double> forces;       // error bar of a force component
  std::vector<double> distances;    // from the training set
};

class MLPotWatcher {
 public:
  // what is to be computed together with the forces of this step
  virtual int wanted_at(bigint step) = 0;

 protected:
  ~MLPotWatcher() = default;
};

}    // namespace LAMMPS_NS

#endif
