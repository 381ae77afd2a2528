/* ----------------------------------------------------------
   fix mlpot/guard: stops a run or writes frames where the uncertainty is above a limit.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "fix_mlpot_guard.h"

#include "mlpot_frame.h"
#include "pair_mlpot.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace LAMMPS_NS;

static constexpr double NO_LIMIT = std::numeric_limits<double>::infinity();

/* ----------------------------------------------------------------------
   fix ID group mlpot/guard N [max_sigma x] [max_distance y] [action halt|dump|warn] [file f.xyz]
------------------------------------------------------------------------- */

FixMLPotGuard::FixMLPotGuard(LAMMPS *lmp, int narg, char **arg) :
    Fix(lmp, narg, arg), max_sigma(NO_LIMIT), max_distance(NO_LIMIT), action("halt"),
    file("mlpot.uncertain.xyz"), first_step(-1), pair(nullptr), sigma(0.0), distance(0.0),
    n_uncertain(0), n_events(0), last_event(-1)
{
  if (narg < 6 || narg % 2 == 1)
    error->all(
        FLERR,
        "Illegal fix mlpot/guard command: expected fix ID group mlpot/guard N keyword value ...");
  nevery = utils::inumeric(FLERR, arg[3], false, lmp);
  if (nevery < 1)
    error->all(FLERR, "Illegal fix mlpot/guard command: N must be above 0, got {}", nevery);
  for (int iarg = 4; iarg < narg; iarg += 2) {
    const std::string keyword = arg[iarg], value = arg[iarg + 1];
    if (keyword == "max_sigma")
      max_sigma = utils::numeric(FLERR, value, false, lmp);
    else if (keyword == "max_distance")
      max_distance = utils::numeric(FLERR, value, false, lmp);
    else if (keyword == "action")
      action = value;
    else if (keyword == "file")
      file = value;
    else
      error->all(FLERR,
                 "Unknown fix mlpot/guard keyword: {}; expected max_sigma, max_distance, action "
                 "or file",
                 keyword);
  }
  if (max_sigma == NO_LIMIT && max_distance == NO_LIMIT)
    error->all(FLERR, "Fix mlpot/guard requires a limit: max_sigma or max_distance");
  if (!(max_sigma > 0.0 && max_distance > 0.0))
    error->all(FLERR, "Illegal fix mlpot/guard command: limits must be above 0");
  if (action != "halt" && action != "dump" && action != "warn")
    error->all(FLERR, "Illegal fix mlpot/guard command: action must be halt, dump or warn, got {}",
               action);
  scalar_flag = vector_flag = 1;
  size_vector = 3;
  extscalar = extvector = 0;
  global_freq = 1;
  restart_global = 1;
  dynamic_group_allow = 1;
}

/* ---------------------------------------------------------------------- */

int FixMLPotGuard::setmask()
{
  return FixConst::END_OF_STEP | FixConst::MIN_POST_FORCE;
}

void FixMLPotGuard::init()
{
  pair = PairMLPot::find(lmp, "Fix mlpot/guard");
  pair->check_limits("Fix mlpot/guard", max_sigma < NO_LIMIT, max_distance < NO_LIMIT);
  first_step = update->ntimestep;
  if (comm->me == 0) utils::logmesg(lmp, "Fix {}: {}\n", id, pair->describe_uncertainty());
}

/* ---------------------------------------------------------------------- */

int FixMLPotGuard::requested_at(bigint step)
{
  return step % nevery == 0 || step == first_step ? MLPotUncertainty::ATOMS : 0;
}

void FixMLPotGuard::setup(int /*vflag*/)
{
  check();
}

void FixMLPotGuard::min_setup(int /*vflag*/)
{
  check();
}

void FixMLPotGuard::end_of_step()
{
  check();
}

void FixMLPotGuard::min_post_force(int /*vflag*/)
{
  if (update->ntimestep % nevery == 0) check();
}

/* ---------------------------------------------------------------------- */

void FixMLPotGuard::check()
{
  const MLPotUncertainty &now = pair->uncertainty(MLPotUncertainty::ATOMS);
  sigma = pair->largest(now.forces, groupbit).value;
  distance = pair->largest(now.distances, groupbit).value;
  bigint mine = 0;
  for (int i = 0; i < atom->nlocal; i++) mine += excess(now, i) > 1.0;
  MPI_Allreduce(&mine, &n_uncertain, 1, MPI_LMP_BIGINT, MPI_SUM, world);
  // the first frame of a continued run has been counted already
  if (n_uncertain == 0 || (update->ntimestep == last_event && action != "halt")) return;
  n_events++;
  last_event = update->ntimestep;
  apply(describe_worst(now), now);
}

/* ----------------------------------------------------------------------
   largest ratio of a value to its limit; above 1 the atom is uncertain
------------------------------------------------------------------------- */

double FixMLPotGuard::excess(const MLPotUncertainty &now, int i) const
{
  if (!(atom->mask[i] & groupbit)) return 0.0;
  const auto ratio = [](double value, double limit) {
    if (limit == NO_LIMIT) return 0.0;
    return std::isnan(value) ? NO_LIMIT : value / limit;
  };
  return std::max(ratio(now.forces[i], max_sigma), ratio(now.distances[i], max_distance));
}

/* ---------------------------------------------------------------------- */

std::string FixMLPotGuard::describe_worst(const MLPotUncertainty &now) const
{
  std::vector<double> ratios(atom->nlocal);
  for (int i = 0; i < atom->nlocal; i++) ratios[i] = excess(now, i);
  const auto worst = pair->largest(ratios, groupbit);
  std::string text;
  if (worst.rank == comm->me) {
    const int i = worst.index;
    const double *x = atom->x[i];
    text = fmt::format("step {}: atom {} of type {} at ({:.4f} {:.4f} {:.4f}) has",
                       update->ntimestep, atom->tag[i], atom->type[i], x[0], x[1], x[2]);
    if (max_sigma < NO_LIMIT)
      text += fmt::format(" a {} of {:.4g} (limit {:g})", pair->force_label(), now.forces[i],
                          max_sigma);
    if (max_distance < NO_LIMIT)
      text += fmt::format("{} a feature distance of {:.4g} (limit {:g})",
                          max_sigma < NO_LIMIT ? " and" : "", now.distances[i], max_distance);
    text += fmt::format("; {} uncertain atom{}", n_uncertain, n_uncertain > 1 ? "s" : "");
  }
  pair->broadcast_first(text);
  return text;
}

/* ---------------------------------------------------------------------- */

void FixMLPotGuard::apply(const std::string &text, const MLPotUncertainty &now)
{
  if (action == "warn") {
    if (comm->me == 0) error->warning(FLERR, "Fix mlpot/guard: " + text);
    return;
  }
  write_frame(now);
  if (action == "halt")
    error->all(FLERR, "Fix mlpot/guard stops the run at " + text + ". The frame is in " + file);
  if (n_events == 1 && comm->me == 0)
    utils::logmesg(lmp, "Fix mlpot/guard: first frame to " + file + " at " + text + "\n");
}

/* ---------------------------------------------------------------------- */

void FixMLPotGuard::write_frame(const MLPotUncertainty &now) const
{
  MLPotFrame frame(lmp);
  frame.capture(true);
  std::vector<MLPotFrame::Column> columns = pair->columns(now);
  MLPotFrame::Column uncertain = {"uncertain", true, {}};
  for (int i = 0; i < atom->nlocal; i++) uncertain.values.push_back(excess(now, i) > 1.0);
  columns.push_back(uncertain);
  if (!frame.write(file, true, pair->symbols(), pair->energy_unit_of_run(), "", columns))
    error->all(FLERR, "Fix mlpot/guard cannot write to {}", file);
}

/* ---------------------------------------------------------------------- */

double FixMLPotGuard::compute_scalar()
{
  return sigma;
}

double FixMLPotGuard::compute_vector(int n)
{
  const double values[] = {static_cast<double>(n_events), distance,
                           static_cast<double>(n_uncertain)};
  return values[n];
}

/* ---------------------------------------------------------------------- */

void FixMLPotGuard::write_restart(FILE *fp)
{
  if (comm->me != 0) return;
  const int size = 2 * sizeof(bigint);
  const bigint state[2] = {n_events, last_event};
  fwrite(&size, sizeof(int), 1, fp);
  fwrite(state, sizeof(bigint), 2, fp);
}

void FixMLPotGuard::restart(char *buffer)
{
  const auto *state = reinterpret_cast<bigint *>(buffer);
  n_events = state[0];
  last_event = state[1];
}
