/* ----------------------------------------------------------
   pair_style mlpot: failed evaluations, and the frames that they leave.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "fix_mlpot_frames.h"
#include "mlpot_errors.h"
#include "mlpot_frame.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "universe.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <new>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   collective: runs an action on all ranks; if it fails on any of them, all stop
   and the frames are on disk. An exception of LAMMPS ends all ranks already: either
   all of them have it, or it aborts the others.
------------------------------------------------------------------------- */

void PairMLPot::attempt(const std::function<Failure()> &action)
{
  this_rank_failed = any_failed = false;
  Failure failure;
  bool no_memory = false;
  try {
    failure = action();
  } catch (const std::bad_alloc &) {
    no_memory = true;    // the text is made later: it takes memory, and the other ranks wait
  }
  // without the messages of a failed rank, the results of the others are not meaningful
  const bool is_first = !any_failed;
  this_rank_failed = is_first && (no_memory || !failure.text.empty());
  while (!sync_status(true)) {
  }
  if (!any_failed) return;
  if (no_memory) failure = {std::string(": ") + MLPotErrors::NO_MEMORY, {}};
  stop(is_first ? failure : Failure());
}

/* ----------------------------------------------------------------------
   collective: called before each exchange of messages and after the evaluation.
   A failed rank calls this until all are done, so that no rank waits for its
   messages. True when all are done.
------------------------------------------------------------------------- */

bool PairMLPot::sync_status(bool done)
{
  const int mine[2] = {this_rank_failed, !done};
  int all[2];
  MPI_Allreduce(mine, all, 2, MPI_INT, MPI_MAX, world);
  any_failed = all[0];
  return !all[1];
}

/* ----------------------------------------------------------------------
   collective: broadcasts the text of the first rank that has one; returns that
   rank, or the number of ranks if there is none
------------------------------------------------------------------------- */

int PairMLPot::broadcast_first(std::string &text) const
{
  const int mine = text.empty() ? comm->nprocs : comm->me;
  int first;
  MPI_Allreduce(&mine, &first, 1, MPI_INT, MPI_MIN, world);
  if (first < comm->nprocs) broadcast(text, first);
  return first;
}

// collective
void PairMLPot::broadcast(std::string &text, int root) const
{
  bigint size = text.size();
  MPI_Bcast(&size, 1, MPI_LMP_BIGINT, root, world);
  text.resize(size);
  for (bigint start = 0; start < size; start += MAXSMALLINT)
    MPI_Bcast(&text[start], static_cast<int>(std::min<bigint>(size - start, MAXSMALLINT)), MPI_CHAR,
              root, world);
}

/* ----------------------------------------------------------------------
   collective: stops with the error of the first rank that has one
------------------------------------------------------------------------- */

void PairMLPot::stop_if_any_failed(std::string message)
{
  if (broadcast_first(message) < comm->nprocs) error->all(FLERR, message);
}

/* ----------------------------------------------------------------------
   collective: writes the frames and stops
------------------------------------------------------------------------- */

void PairMLPot::stop(Failure failure)
{
  const int first = broadcast_first(failure.text);
  int n_atoms = static_cast<int>(failure.atoms.size());
  MPI_Bcast(&n_atoms, 1, MPI_INT, first, world);
  failure.atoms.resize(n_atoms);
  MPI_Bcast(failure.atoms.data(), n_atoms, MPI_LMP_TAGINT, first, world);
  failure.text =
      "Pair style mlpot failed at step " + std::to_string(update->ntimestep) + failure.text;
  const std::string files = write_frames(failure);
  error->all(FLERR, failure.text + ".\n" + files);
}

/* ----------------------------------------------------------------------
   collective: writes the offending frame and the last good one; returns a sentence with their files
------------------------------------------------------------------------- */

std::string PairMLPot::write_frames(const Failure &failure)
{
  std::string reason = failure.text;
  std::replace_if(
      reason.begin(), reason.end(),
      [](char c) {
        return c == '"' || c == '\n';
      },
      ' ');
  MLPotFrame failed(lmp);
  failed.capture(false);
  const auto save = [this](const MLPotFrame &frame, const std::string &name,
                           const std::string &info,
                           const std::vector<MLPotFrame::Column> &columns) {
    const bool written = frame.write(file_name(name), false, symbols(), energy_unit, info, columns);
    return written ? "is in " + file_name(name) : "could not be written to " + file_name(name);
  };
  std::string text = "The offending frame " +
      save(failed, "mlpot.failed", "error=\"" + reason + "\"",
           {failed.selection("failed", failure.atoms)});
  const FixMLPotFrames *const kept = frames();
  if (!kept) return text;
  if (kept->last_good.step < 0) return text + "; it is the first one of this run";
  return text + fmt::format("; the last good one, of step {}, ", kept->last_good.step) +
      save(kept->last_good, "mlpot.last-good", "", {});
}

/* ----------------------------------------------------------------------
   looked up each time: the input may remove any fix
------------------------------------------------------------------------- */

FixMLPotFrames *PairMLPot::frames() const
{
  return dynamic_cast<FixMLPotFrames *>(modify->get_fix_by_id(frames_id()));
}

std::string PairMLPot::frames_id() const
{
  return "MLPOT_FRAMES_" + std::to_string(instance_me);
}

/* ----------------------------------------------------------------------
   name of an extended XYZ file; the partitions of one LAMMPS share a folder
------------------------------------------------------------------------- */

std::string PairMLPot::file_name(const std::string &stem) const
{
  return stem + (universe->nworlds > 1 ? fmt::format(".{}", universe->iworld) : "") + ".xyz";
}

/* ---------------------------------------------------------------------- */

std::vector<std::string> PairMLPot::symbols() const
{
  std::vector<std::string> by_type = {""};
  for (int type = 1; type <= atom->ntypes; type++)
    by_type.emplace_back(map[type] < 0 ? "X" : elements[map[type]]);
  return by_type;
}

/* ----------------------------------------------------------------------
   collective: stops if a position is not a finite number
------------------------------------------------------------------------- */

void PairMLPot::check_positions()
{
  attempt([this] {
    return position_failure();
  });
}

PairMLPot::Failure PairMLPot::position_failure() const
{
  for (int i = 0; i < atom->nlocal; i++) {
    const double *x = atom->x[i];
    if (!std::isfinite(x[0] + x[1] + x[2]))
      return failure_at(i, "its position is not a finite number");
  }
  return {};
}

PairMLPot::Failure PairMLPot::failure_at(int i, const std::string &what) const
{
  const double *x = atom->x[i];
  return {fmt::format(", atom {} of type {} at ({:.4f} {:.4f} {:.4f}): {}", atom->tag[i],
                      atom->type[i], x[0], x[1], x[2], what),
          {atom->tag[i]}};
}

/* ----------------------------------------------------------------------
   atoms closer than any training data reach
------------------------------------------------------------------------- */

PairMLPot::Failure PairMLPot::overlap_failure()
{
  if (closest == 0.0) return {};
  if (neighbor->ago == 0) find_close_pairs();
  for (const auto &[i, j] : close_pairs) {
    const double limit = closest_distance(i, j), distance = std::sqrt(squared_distance(i, j));
    if (distance >= limit) continue;
    return {fmt::format(": atoms {} and {} of types {} and {} at ({:.4f} {:.4f} {:.4f}) are {:.4f} "
                        "A apart, closer than {:.4f} A, {} of the sum of their covalent radii",
                        atom->tag[i], atom->tag[j], atom->type[i], atom->type[j], atom->x[i][0],
                        atom->x[i][1], atom->x[i][2], distance, limit, closest),
            {atom->tag[i], atom->tag[j]}};
  }
  return {};
}

/* ----------------------------------------------------------------------
   pairs that may come too close before the neighbor list is built again: until
   then no two atoms approach each other by more than the skin
------------------------------------------------------------------------- */

void PairMLPot::find_close_pairs()
{
  close_pairs.clear();
  for (int k = 0; k < list->inum; k++) {
    const int i = list->ilist[k];
    for (int n = 0; n < list->numneigh[i]; n++) {
      const int j = list->firstneigh[i][n] & NEIGHMASK;
      if (j < i || species_of_type[atom->type[j]] < 0) continue;
      const double reach = closest_distance(i, j) + neighbor->skin;
      if (squared_distance(i, j) < reach * reach) close_pairs.emplace_back(i, j);
    }
  }
}

double PairMLPot::closest_distance(int i, int j) const
{
  return closest * (radius_of_type[atom->type[i]] + radius_of_type[atom->type[j]]);
}

double PairMLPot::squared_distance(int i, int j) const
{
  double sum = 0.0;
  for (int a = 0; a < 3; a++) {
    const double d = atom->x[j][a] - atom->x[i][a];
    sum += d * d;
  }
  return sum;
}
