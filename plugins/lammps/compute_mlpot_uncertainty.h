/* -*- c++ -*- ----------------------------------------------------------
   compute mlpot/uncertainty: how sure the model is of each atom.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_COMPUTE_MLPOT_UNCERTAINTY_H
#define LMP_COMPUTE_MLPOT_UNCERTAINTY_H

#include "mlpot_watcher.h"

#include "compute.h"

namespace LAMMPS_NS {

class ComputeMLPotUncertainty : public Compute, public MLPotWatcher {
 public:
  ComputeMLPotUncertainty(class LAMMPS *, int, char **);
  ~ComputeMLPotUncertainty() override;

  void init() override;
  double compute_scalar() override;
  void compute_vector() override;
  void compute_peratom() override;
  double memory_usage() override;
  int wanted_at(bigint) override;

 private:
  bigint every;
  bool held;         // scalar and vector are those of an earlier step of this run,
  bigint held_of;    // of this one
  int nmax;
  class PairMLPot *pair;

  bool is_due(bigint) const;
  void find_maxima();
};

}    // namespace LAMMPS_NS

#endif
