/* -*- c++ -*- ----------------------------------------------------------
   compute mlpot/uncertainty: uncertainty of the energy and of each atom's force.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_COMPUTE_MLPOT_UNCERTAINTY_H
#define LMP_COMPUTE_MLPOT_UNCERTAINTY_H

#include "mlpot_uncertainty.h"

#include "compute.h"

namespace LAMMPS_NS {

class ComputeMLPotUncertainty : public Compute, public MLPotUncertaintyRequest {
 public:
  ComputeMLPotUncertainty(class LAMMPS *, int, char **);
  ~ComputeMLPotUncertainty() override;

  void init() override;
  double compute_scalar() override;
  void compute_vector() override;
  void compute_peratom() override;
  double memory_usage() override;
  int requested_at(bigint) override;

 private:
  bigint every;
  bool cached;           // scalar and vector hold values of this run,
  bigint cached_step;    // of this step
  int nmax;

  bool is_due(bigint) const;
  class PairMLPot *current_pair() const;
  void find_maxima(class PairMLPot *);
};

}    // namespace LAMMPS_NS

#endif
