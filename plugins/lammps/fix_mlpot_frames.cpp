/* ----------------------------------------------------------
   fix MLPOT/FRAMES: keeps the last good frame; pair style mlpot adds it.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "fix_mlpot_frames.h"

#include "pair_mlpot.h"

#include "error.h"

using namespace LAMMPS_NS;

/* ---------------------------------------------------------------------- */

FixMLPotFrames::FixMLPotFrames(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), last_good(lmp)
{
  nevery = 1;
}

/* ---------------------------------------------------------------------- */

int FixMLPotFrames::setmask()
{
  using namespace FixConst;
  return PRE_EXCHANGE | MIN_PRE_EXCHANGE | END_OF_STEP | MIN_POST_FORCE;
}

/* ---------------------------------------------------------------------- */

void FixMLPotFrames::init()
{
  if (!pair) error->all(FLERR, "Fix MLPOT/FRAMES is added by pair style mlpot, not by an input");
}

/* ---------------------------------------------------------------------- */

void FixMLPotFrames::setup(int /*vflag*/)
{
  last_good.capture(true);
}

void FixMLPotFrames::min_setup(int /*vflag*/)
{
  last_good.capture(true);
}

void FixMLPotFrames::end_of_step()
{
  last_good.capture(true);
}

void FixMLPotFrames::min_post_force(int /*vflag*/)
{
  last_good.capture(true);
}

/* ----------------------------------------------------------------------
   before LAMMPS assigns atoms to processes, where positions that are not finite
   would stop it without a frame
------------------------------------------------------------------------- */

void FixMLPotFrames::setup_pre_exchange()
{
  pair->check_positions();
}

void FixMLPotFrames::pre_exchange()
{
  pair->check_positions();
}

void FixMLPotFrames::min_pre_exchange()
{
  pair->check_positions();
}

/* ---------------------------------------------------------------------- */

double FixMLPotFrames::memory_usage()
{
  return last_good.memory_usage();
}
