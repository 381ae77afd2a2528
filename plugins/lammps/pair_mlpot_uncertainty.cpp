/* ----------------------------------------------------------
   pair_style mlpot: uncertainties of the model, for computes and fixes.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "fix_mlpot_frames.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "error.h"
#include "fix.h"
#include "force.h"
#include "modify.h"
#include "update.h"

#include <algorithm>
#include <cmath>
#include <limits>

using namespace LAMMPS_NS;

static constexpr double NOT_AVAILABLE = std::numeric_limits<double>::quiet_NaN();

/* ---------------------------------------------------------------------- */

PairMLPot *PairMLPot::find(LAMMPS *lmp, const std::string &style)
{
  auto *pair = dynamic_cast<PairMLPot *>(lmp->force->pair_match("mlpot", 1));
  if (!pair) lmp->error->all(FLERR, "{} requires pair_style mlpot, exactly one of them", style);
  const mlpot_description &model = pair->model;
  if (model.n_members < 2 && !model.has_distance)
    lmp->error->all(
        FLERR,
        "{} requires a committee or a feature distance, and the model has neither; make a "
        "committee with: mlpot committee attach",
        style);
  return pair;
}

/* ----------------------------------------------------------------------
   limits on quantities that the model does not have
------------------------------------------------------------------------- */

void PairMLPot::check_limits(const std::string &style, bool sigma, bool distance) const
{
  if (sigma && model.n_members < 2)
    error->all(FLERR, "{}: max_sigma requires a committee; make one with: mlpot committee attach",
               style);
  if (distance && !model.has_distance)
    error->all(FLERR, "{}: max_distance requires a feature distance; add it with: mlpot calibrate",
               style);
}

std::string PairMLPot::force_label() const
{
  return model.calibrated ? "force sigma" : "force standard deviation of the committee";
}

std::string PairMLPot::describe_uncertainty() const
{
  std::string text = "a single model";
  if (model.n_members > 1)
    text = fmt::format("{} members, {}", model.n_members,
                       model.calibrated ? "calibrated: error bars of the forces"
                                        : "not calibrated: standard deviations, no error bars");
  return text + (model.has_distance ? "; feature distances" : "; no feature distance");
}

/* ----------------------------------------------------------------------
   for files, in eV and A
------------------------------------------------------------------------- */

std::vector<MLPotFrame::Column> PairMLPot::columns(const MLPotUncertainty &now) const
{
  std::vector<MLPotFrame::Column> found;
  if (model.n_members > 1) {
    found.push_back({model.calibrated ? "forces_std" : "forces_ensemble_std", false, now.forces});
    for (double &value : found.back().values) value /= energy_unit;
  }
  if (model.has_distance) found.push_back({"feature_distance", false, now.distances});
  return found;
}

/* ---------------------------------------------------------------------- */

PairMLPot::Largest PairMLPot::largest(const std::vector<double> &values, int groupbit) const
{
  struct {
    double value;
    int rank;
  } mine = {-INFINITY, comm->me}, all;
  int index = -1;
  for (int i = 0; i < static_cast<int>(values.size()); i++) {
    if (!(atom->mask[i] & groupbit)) continue;
    const double value = std::isnan(values[i]) ? INFINITY : values[i];
    if (index >= 0 && value <= mine.value) continue;
    mine.value = value;
    index = i;
  }
  MPI_Allreduce(&mine, &all, 1, MPI_DOUBLE_INT, MPI_MAXLOC, world);
  Largest found = {0.0, all.rank, index, 0};
  if (index >= 0) found = {values[index], all.rank, index, atom->tag[index]};
  MPI_Bcast(&found.value, 1, MPI_DOUBLE, all.rank, world);
  MPI_Bcast(&found.atom, 1, MPI_LMP_TAGINT, all.rank, world);
  return found;
}

/* ----------------------------------------------------------------------
   what computes and fixes request together with the forces of this step
------------------------------------------------------------------------- */

int PairMLPot::requested_now() const
{
  int requested = 0;
  const auto add = [&](auto *style) {
    auto *request = dynamic_cast<MLPotUncertaintyRequest *>(style);
    if (request) requested |= request->requested_at(update->ntimestep);
  };
  for (int k = 0; k < modify->ncompute; k++) add(modify->compute[k]);
  for (int k = 0; k < modify->nfix; k++) add(modify->fix[k]);
  return requested;
}

/* ----------------------------------------------------------------------
   collective: uncertainties of the last evaluation; what was not requested with it is computed now
------------------------------------------------------------------------- */

const MLPotUncertainty &PairMLPot::uncertainty(int requested)
{
  check_current();
  const int missing = requested & ~available;
  if (missing) {
    mlpot_result result = {};
    attempt([&] {
      prepare_members(result, missing);
      return run_engine(result);
    });
    reduce_members(missing);
  }
  return latest;
}

/* ----------------------------------------------------------------------
   collective: between runs the input may create, delete or move atoms
------------------------------------------------------------------------- */

void PairMLPot::check_current() const
{
  const FixMLPotFrames *const kept = frames();
  int mine = evaluated_step == update->ntimestep, all;
  if (update->whichflag == 0) mine = mine && kept && kept->last_good.is_current();
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, world);
  if (!all)
    error->all(FLERR,
               "Pair style mlpot has no uncertainties of the atoms as they are at step {}: the "
               "model was not evaluated at this step, or atoms were changed since; use run 0 first",
               update->ntimestep);
}

/* ----------------------------------------------------------------------
   arrays for what is requested, also for the values of this rank's atoms
------------------------------------------------------------------------- */

void PairMLPot::prepare_members(mlpot_result &result, int requested)
{
  const auto n_local = static_cast<std::size_t>(atom->nlocal);
  if (requested & MLPotUncertainty::ENERGY) buffers.all_energies.resize(model.n_members);
  if (requested & MLPotUncertainty::ATOMS) {
    latest.forces.assign(n_local, NOT_AVAILABLE);
    latest.distances.assign(n_local, NOT_AVAILABLE);
  }
  const std::size_t n = atom->nlocal + atom->nghost, n_members = model.n_members;
  const auto zeros = [](std::vector<double> &values, std::size_t size) {
    values.assign(size, 0.0);
    return values.data();
  };
  if (n_members > 1 && requested & MLPotUncertainty::ENERGY)
    result.member_energies = zeros(buffers.member_energies, n_members);
  if (n_members > 1 && requested & MLPotUncertainty::ATOMS)
    result.member_forces = zeros(buffers.member_forces, 3 * n_members * n);
  if (!model.has_distance || !(requested & MLPotUncertainty::ATOMS)) return;
  result.feature_distances = zeros(buffers.distances, n);
  result.distance_sums = zeros(buffers.distance_sums, 2 * n);
}

/* ----------------------------------------------------------------------
   collective: error bars of the members' results, or standard deviations where
   the model is not calibrated
------------------------------------------------------------------------- */

void PairMLPot::reduce_members(int requested)
{
  if (requested & MLPotUncertainty::ENERGY) reduce_energies();
  if (requested & MLPotUncertainty::ATOMS) reduce_forces();
  available |= requested;
}

void PairMLPot::reduce_energies()
{
  latest.energy = NOT_AVAILABLE;
  if (model.n_members < 2) return;
  MPI_Allreduce(buffers.member_energies.data(), buffers.all_energies.data(), model.n_members,
                MPI_DOUBLE, MPI_SUM, world);
  double *const value = &latest.energy;
  const bool calibrated = model.energy_calibrated;
  attempt([&] {
    EngineMessage message;
    return failure_of(message,
                      api->energy_uncertainty(engine, buffers.all_energies.data(),
                                              calibrated ? nullptr : value,
                                              calibrated ? value : nullptr, &message.handle));
  });
  latest.energy *= energy_unit;
}

void PairMLPot::reduce_forces()
{
  const std::size_t n = atom->nlocal;
  if (model.has_distance) std::copy_n(buffers.distances.begin(), n, latest.distances.begin());
  if (model.n_members < 2) return;
  messages = nullptr;
  comm->reverse_comm(this, member_width());
  double *const values = latest.forces.data();
  attempt([&] {
    EngineMessage message;
    return failure_of(
        message,
        api->force_uncertainty(engine, atom->nlocal, buffers.species.data(),
                               buffers.member_forces.data(), n + atom->nghost,
                               model.has_distance ? buffers.distance_sums.data() : nullptr,
                               model.calibrated ? nullptr : values,
                               model.calibrated ? values : nullptr, &message.handle));
  });
  for (double &value : latest.forces) value *= energy_unit;
}

/* ----------------------------------------------------------------------
   component a of the force of a member on atom i
------------------------------------------------------------------------- */

double &PairMLPot::member_force(int member, int i, int a)
{
  const std::size_t n = atom->nlocal + atom->nghost;
  return buffers.member_forces[3 * (member * n + i) + a];
}

/* ----------------------------------------------------------------------
   contributions of ghosts to their atoms: forces of the members, sums of distances
------------------------------------------------------------------------- */

int PairMLPot::member_width() const
{
  return 3 * model.n_members + (model.has_distance ? 2 : 0);
}

int PairMLPot::pack_members(int n, int first, double *buf)
{
  int m = 0;
  for (int i = first; i < first + n; i++) {
    for (int k = 0; k < 3 * model.n_members; k++) buf[m++] = member_force(k / 3, i, k % 3);
    for (int k = 0; model.has_distance && k < 2; k++) buf[m++] = buffers.distance_sums[2 * i + k];
  }
  return m;
}

void PairMLPot::unpack_members(int n, const int *indices, const double *buf)
{
  int m = 0;
  for (int k = 0; k < n; k++) {
    for (int c = 0; c < 3 * model.n_members; c++)
      member_force(c / 3, indices[k], c % 3) += buf[m++];
    for (int c = 0; model.has_distance && c < 2; c++)
      buffers.distance_sums[2 * indices[k] + c] += buf[m++];
  }
}
