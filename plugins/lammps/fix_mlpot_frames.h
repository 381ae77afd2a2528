/* -*- c++ -*- ----------------------------------------------------------
   fix MLPOT/FRAMES: keeps the last good frame; pair style mlpot adds it.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_FIX_MLPOT_FRAMES_H
#define LMP_FIX_MLPOT_FRAMES_H

#include "mlpot_frame.h"

#include "fix.h"

namespace LAMMPS_NS {

class FixMLPotFrames : public Fix {
 public:
  FixMLPotFrames(class LAMMPS *, int, char **);

  int setmask() override;
  void init() override;
  void setup(int) override;
  void min_setup(int) override;
  void setup_pre_exchange() override;
  void pre_exchange() override;
  void min_pre_exchange() override;
  void end_of_step() override;
  void min_post_force(int) override;
  double memory_usage() override;
  // that of the base class has the sizes of LAMMPS in its name: a plugin of other sizes could not be opened and refuse
  void set_molecule(int, tagint, int, double *, double *, double *) override {}

  class PairMLPot *pair = nullptr;
  // last step that was completed
  MLPotFrame last_good;
};

}    // namespace LAMMPS_NS

#endif
