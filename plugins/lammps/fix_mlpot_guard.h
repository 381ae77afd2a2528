/* -*- c++ -*- ----------------------------------------------------------
   fix mlpot/guard: stops a run or writes frames where the uncertainty is above a limit.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_FIX_MLPOT_GUARD_H
#define LMP_FIX_MLPOT_GUARD_H

#include "mlpot_uncertainty.h"

#include "fix.h"

#include <string>

namespace LAMMPS_NS {

class FixMLPotGuard : public Fix, public MLPotUncertaintyRequest {
 public:
  FixMLPotGuard(class LAMMPS *, int, char **);

  int setmask() override;
  void init() override;
  void setup(int) override;
  void min_setup(int) override;
  void end_of_step() override;
  void min_post_force(int) override;
  double compute_scalar() override;
  double compute_vector(int) override;
  void write_restart(FILE *) override;
  void restart(char *) override;
  int requested_at(bigint) override;
  void set_molecule(int, tagint, int, double *, double *, double *) override {
  }    // as in fix MLPOT/FRAMES

 private:
  double max_sigma, max_distance;    // infinite: no limit
  std::string action, file;
  bigint first_step;    // of this run
  class PairMLPot *pair;

  // of the last check; thermo output
  double sigma, distance;
  bigint n_uncertain;
  bigint n_events, last_event;

  void check();
  void apply(const std::string &, const MLPotUncertainty &);
  std::string describe_worst(const MLPotUncertainty &) const;
  double excess(const MLPotUncertainty &, int) const;
  void write_frame(const MLPotUncertainty &) const;
};

}    // namespace LAMMPS_NS

#endif
