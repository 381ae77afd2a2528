/* ----------------------------------------------------------
   compute mlpot/uncertainty: uncertainty of the energy and of each atom's force.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "compute_mlpot_uncertainty.h"

#include "pair_mlpot.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "memory.h"
#include "update.h"

#include <cmath>

using namespace LAMMPS_NS;

// columns of the per-atom array and parts of the vector
enum { FORCE, DISTANCE, N_COLUMNS };
enum { ENERGY, MAX_DISTANCE, WORST_ATOM, N_PARTS };

/* ----------------------------------------------------------------------
   compute ID group mlpot/uncertainty [every N]
------------------------------------------------------------------------- */

ComputeMLPotUncertainty::ComputeMLPotUncertainty(LAMMPS *lmp, int narg, char **arg) :
    Compute(lmp, narg, arg), every(1), cached(false), cached_step(0), nmax(0)
{
  if (narg != 3 && narg != 5)
    error->all(FLERR,
               "Illegal compute mlpot/uncertainty command: expected compute ID group "
               "mlpot/uncertainty [every N]");
  if (narg == 5) {
    if (std::string(arg[3]) != "every")
      error->all(FLERR, "Unknown compute mlpot/uncertainty keyword: {}; expected every", arg[3]);
    every = utils::bnumeric(FLERR, arg[4], false, lmp);
    if (every < 1)
      error->all(FLERR, "Illegal compute mlpot/uncertainty command: every must be above 0, got {}",
                 every);
  }
  scalar_flag = vector_flag = peratom_flag = 1;
  extscalar = extvector = 0;
  size_vector = N_PARTS;
  size_peratom_cols = N_COLUMNS;
  timeflag = 1;
  dynamic_group_allow = 1;
  vector = new double[N_PARTS];
}

ComputeMLPotUncertainty::~ComputeMLPotUncertainty()
{
  delete[] vector;
  memory->destroy(array_atom);
}

/* ---------------------------------------------------------------------- */

void ComputeMLPotUncertainty::init()
{
  const PairMLPot *const pair = PairMLPot::find(lmp, "Compute mlpot/uncertainty");
  cached = false;
  if (comm->me == 0) utils::logmesg(lmp, "Compute {}: {}\n", id, pair->describe_uncertainty());
}

/* ----------------------------------------------------------------------
   together with the forces in the steps for which LAMMPS has announced this compute
------------------------------------------------------------------------- */

int ComputeMLPotUncertainty::requested_at(bigint step)
{
  if (!matchstep(step)) return 0;
  return MLPotUncertainty::ENERGY | (is_due(step) ? MLPotUncertainty::ATOMS : 0);
}

/* ----------------------------------------------------------------------
   collective: stops if its last evaluation is not one of the atoms as they are
------------------------------------------------------------------------- */

PairMLPot *ComputeMLPotUncertainty::current_pair() const
{
  PairMLPot *const pair = PairMLPot::find(lmp, "Compute mlpot/uncertainty");
  pair->check_current();
  return pair;
}

/* ----------------------------------------------------------------------
   values are at most every - 1 steps old
------------------------------------------------------------------------- */

bool ComputeMLPotUncertainty::is_due(bigint step) const
{
  return !cached || step - cached_step >= every;
}

/* ---------------------------------------------------------------------- */

double ComputeMLPotUncertainty::compute_scalar()
{
  invoked_scalar = update->ntimestep;
  PairMLPot *const pair = current_pair();
  if (is_due(update->ntimestep)) find_maxima(pair);
  return scalar;
}

void ComputeMLPotUncertainty::compute_vector()
{
  invoked_vector = update->ntimestep;
  PairMLPot *const pair = current_pair();
  if (is_due(update->ntimestep)) find_maxima(pair);
  vector[ENERGY] = pair->uncertainty(MLPotUncertainty::ENERGY).energy;
}

/* ---------------------------------------------------------------------- */

void ComputeMLPotUncertainty::find_maxima(PairMLPot *pair)
{
  const MLPotUncertainty &now = pair->uncertainty(MLPotUncertainty::ATOMS);
  const auto worst = pair->largest(now.forces, groupbit);
  scalar = worst.value;
  vector[MAX_DISTANCE] = pair->largest(now.distances, groupbit).value;
  vector[WORST_ATOM] = std::isnan(worst.value) ? worst.value : static_cast<double>(worst.atom);
  cached = true;
  cached_step = update->ntimestep;
}

/* ---------------------------------------------------------------------- */

void ComputeMLPotUncertainty::compute_peratom()
{
  invoked_peratom = update->ntimestep;
  if (atom->nmax > nmax) {
    nmax = atom->nmax;
    memory->destroy(array_atom);
    memory->create(array_atom, nmax, N_COLUMNS, "mlpot/uncertainty:array_atom");
  }
  const MLPotUncertainty &now = current_pair()->uncertainty(MLPotUncertainty::ATOMS);
  for (int i = 0; i < atom->nlocal; i++) {
    const bool mine = atom->mask[i] & groupbit;
    array_atom[i][FORCE] = mine ? now.forces[i] : 0.0;
    array_atom[i][DISTANCE] = mine ? now.distances[i] : 0.0;
  }
}

/* ---------------------------------------------------------------------- */

double ComputeMLPotUncertainty::memory_usage()
{
  return static_cast<double>(nmax) * N_COLUMNS * sizeof(double);
}
