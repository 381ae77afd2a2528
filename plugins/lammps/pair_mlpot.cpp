/* ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "fix_mlpot_frames.h"

#include "atom.h"
#include "comm.h"
#include "error.h"
#include "force.h"
#include "memory.h"
#include "modify.h"
#include "neigh_list.h"
#include "neighbor.h"
#include "update.h"

#include <algorithm>
#include <cstring>
#include <utility>

using namespace LAMMPS_NS;

// positions of the 9 components in a row-major tensor, in the order of LAMMPS' per-atom arrays
static constexpr int COMPONENTS[9] = {0, 4, 8, 1, 2, 5, 3, 6, 7};

/* ---------------------------------------------------------------------- */

PairMLPot::PairMLPot(LAMMPS *lmp) :
    Pair(lmp), api(nullptr), engine(nullptr), model(), energy_unit(1.0), messages(nullptr),
    available(0), evaluated_step(-1), this_rank_failed(0), any_failed(0), warned_masses(false),
    warned_heat_flux(false), n_inits(0)
{
  single_enable = 0;
  one_coeff = 1;
  manybody_flag = 1;
  restartinfo = 1;
  no_virial_fdotr_compute = 1;
  centroidstressflag = CENTROID_AVAIL;
}

/* ---------------------------------------------------------------------- */

PairMLPot::~PairMLPot()
{
  if (copymode) return;
  unload();
  if (frames()) modify->delete_fix(frames_id());
  if (!allocated) return;
  memory->destroy(setflag);
  memory->destroy(cutsq);
  delete[] map;
  map = nullptr;
}

/* ---------------------------------------------------------------------- */

void PairMLPot::unload()
{
  if (engine) api->destroy(engine);
  engine = nullptr;
  evaluated_step = -1;
}

/* ---------------------------------------------------------------------- */

void PairMLPot::allocate()
{
  allocated = 1;
  const int n = atom->ntypes + 1;
  memory->create(setflag, n, n, "pair:setflag");
  memory->create(cutsq, n, n, "pair:cutsq");
  for (int i = 0; i < n; i++) std::fill_n(setflag[i], n, 0);
  map = new int[n];
}

/* ----------------------------------------------------------------------
   pair_style mlpot [engine auto|native|torch] [precision mixed|double] [device cpu|cuda]
                    [closest <fraction of the sum of the covalent radii>]
------------------------------------------------------------------------- */

void PairMLPot::settings(int narg, char **arg)
{
  const auto choose = [&](int iarg, std::initializer_list<const char *> choices) {
    const std::string value = arg[iarg + 1];
    if (std::find(choices.begin(), choices.end(), value) == choices.end())
      error->all(FLERR, "Illegal pair_style mlpot command: {} must be one of {}, got {}", arg[iarg],
                 utils::join_words({choices.begin(), choices.end()}, ", "), value);
    return value;
  };
  // LAMMPS calls this again for a second pair_style mlpot: back to the defaults, pair_coeff is required again
  engine_name = "auto";
  precision = "";
  device = "cpu";
  closest = 0.5;
  unload();
  for (int i = 0; allocated && i <= atom->ntypes; i++) std::fill_n(setflag[i], atom->ntypes + 1, 0);
  for (int iarg = 0; iarg < narg; iarg += 2) {
    const std::string keyword = arg[iarg];
    if (iarg + 1 >= narg) utils::missing_cmd_args(FLERR, "pair_style mlpot " + keyword, error);
    if (keyword == "engine")
      engine_name = choose(iarg, {"auto", "native", "torch"});
    else if (keyword == "precision")
      precision = choose(iarg, {"mixed", "double"});
    else if (keyword == "device")
      device = choose(iarg, {"cpu", "cuda"});
    else if (keyword == "closest")
      closest = utils::numeric(FLERR, arg[iarg + 1], false, lmp);
    else
      error->all(
          FLERR,
          "Unknown pair_style mlpot keyword: {}; expected engine, precision, device or closest",
          keyword);
  }
  if (!(closest >= 0.0 && closest <= 1.0))
    error->all(FLERR, "Illegal pair_style mlpot command: closest must be between 0 and 1, got {}",
               closest);
}

/* ----------------------------------------------------------------------
   pair_coeff * * model.pt Si O NULL ...
------------------------------------------------------------------------- */

void PairMLPot::coeff(int narg, char **arg)
{
  if (narg < 4) utils::missing_cmd_args(FLERR, "pair_coeff * * <model>", error);
  if (!allocated) allocate();
  map_element2type(narg - 3, arg + 3);
  load_model(arg[2]);
  map_species(arg[2]);
  centroidstressflag = model.n_layers > 1 ? CENTROID_NOTAVAIL : CENTROID_AVAIL;
  warned_masses = warned_heat_flux = false;
}

/* ---------------------------------------------------------------------- */

void PairMLPot::init_style()
{
  n_inits++;
  set_units();
  if (!force->newton_pair) error->all(FLERR, "Pair style mlpot requires newton pair on");
  if (!atom->tag_enable) error->all(FLERR, "Pair style mlpot requires atom IDs");
  check_neighbor_list();
  check_centroid_stress();
  warn_masses();
  warn_heat_flux();
  if (!frames()) modify->add_fix(frames_id() + " all MLPOT/FRAMES");
  frames()->pair = this;
  evaluated_step = -1;
  comm_forward = comm_reverse = model.message_width;
  if (model.n_members > 1) comm_reverse = std::max(comm_reverse, member_width());
  // pair style hybrid reads the widths before pair_coeff has set the model
  force->pair->comm_forward = std::max(force->pair->comm_forward, comm_forward);
  force->pair->comm_reverse = std::max(force->pair->comm_reverse, comm_reverse);
  neighbor->add_request(this, NeighConst::REQ_FULL);
}

/* ---------------------------------------------------------------------- */

double PairMLPot::init_one(int i, int j)
{
  if (setflag[i][j] == 0)
    error->all(FLERR, "Pair style mlpot: types {} and {} have no model", i, j);
  return model.cutoff;
}

/* ---------------------------------------------------------------------- */

void PairMLPot::compute(int eflag, int vflag)
{
  ev_init(eflag, vflag);
  const int requested = requested_now();
  available = 0;
  evaluated_step = -1;
  mlpot_result result = {};
  attempt([&] {
    Failure failure = position_failure();
    if (failure.text.empty()) failure = overlap_failure();
    if (!failure.text.empty()) return failure;
    prepare_result(result);
    prepare_members(result, requested);
    return run_engine(result);
  });
  reduce_members(requested);
  evaluated_step = update->ntimestep;
  add_result(result);
  if (vflag_either) add_virials(result);
}

/* ---------------------------------------------------------------------- */

PairMLPot::Failure PairMLPot::run_engine(mlpot_result &result)
{
  const mlpot_atoms atoms = engine_atoms();
  const mlpot_communicator communicator = {this, forward_messages, reverse_messages};
  EngineMessage message;
  result.failed_atom = -1;
  communication_error = nullptr;
  const bool failed = api->compute(engine, &atoms, &communicator, &result, &message.handle) != 0;
  if (communication_error) std::rethrow_exception(std::exchange(communication_error, nullptr));
  if (!failed) return {};
  if (result.failed_atom >= 0) return failure_at(result.failed_atom, message.text);
  return failure_of(message, failed);
}

PairMLPot::Failure PairMLPot::failure_of(const EngineMessage &message, int failed)
{
  return failed ? Failure{std::string(": ") + message.text, {}} : Failure{};
}

/* ---------------------------------------------------------------------- */

/* ----------------------------------------------------------------------
   the number of builds starts again with each run
------------------------------------------------------------------------- */

unsigned long long PairMLPot::list_version() const
{
  return (n_inits << 40) + static_cast<unsigned long long>(neighbor->ncalls) + 1;
}

/* ---------------------------------------------------------------------- */

mlpot_atoms PairMLPot::engine_atoms()
{
  const int n = atom->nlocal + atom->nghost;
  buffers.species.resize(n);
  for (int i = 0; i < n; i++) buffers.species[i] = species_of_type[atom->type[i]];
  const double *positions = n > 0 ? atom->x[0] : nullptr;
  const mlpot_neighbors neighbors = {list->numneigh, list->firstneigh, nullptr, 0, 0,
                                     NEIGHMASK,      list_version()};
  return {n,           list->inum, buffers.species.data(), positions,
          list->ilist, neighbors,  MLPOT_HOST_MEMORY};
}

/* ---------------------------------------------------------------------- */

void PairMLPot::prepare_result(mlpot_result &result)
{
  const int n = atom->nlocal + atom->nghost;
  const auto zeros = [n](std::vector<double> &values, int width) {
    values.assign(static_cast<std::size_t>(n) * width, 0.0);
    return values.data();
  };
  result.forces = zeros(buffers.forces, 3);
  if (eflag_atom) result.atomic_energies = zeros(buffers.energies, 1);
  if (vflag_atom) result.atomic_virials = zeros(buffers.virials, 9);
  if (cvflag_atom) result.centroid_virials = zeros(buffers.centroid_virials, 9);
}

/* ---------------------------------------------------------------------- */

void PairMLPot::add_result(const mlpot_result &result)
{
  const int n = atom->nlocal + atom->nghost;
  if (eflag_global) eng_vdwl += energy_unit * result.energy;
  for (int i = 0; i < n; i++)
    for (int a = 0; a < 3; a++) atom->f[i][a] += energy_unit * result.forces[3 * i + a];
  for (int i = 0; eflag_atom && i < n; i++) eatom[i] += energy_unit * result.atomic_energies[i];
}

/* ----------------------------------------------------------------------
   the total virial is symmetric, that of one atom is not: arrays with 6
   components take its symmetric part
------------------------------------------------------------------------- */

void PairMLPot::add_virials(const mlpot_result &result)
{
  const auto add = [this](const double *tensor, double *sum) {
    for (int k = 0; k < 3; k++) sum[k] += energy_unit * tensor[COMPONENTS[k]];
    for (int k = 3; k < 6; k++)
      sum[k] += 0.5 * energy_unit * (tensor[COMPONENTS[k]] + tensor[COMPONENTS[k + 3]]);
  };
  const int n = atom->nlocal + atom->nghost;
  if (vflag_global) add(result.virial, virial);
  for (int i = 0; vflag_atom && i < n; i++) add(result.atomic_virials + 9 * i, vatom[i]);
  for (int i = 0; cvflag_atom && i < n; i++)
    for (int k = 0; k < 9; k++)
      cvatom[i][k] += energy_unit * result.centroid_virials[9 * i + COMPONENTS[k]];
}

/* ---------------------------------------------------------------------- */

double PairMLPot::memory_usage()
{
  double bytes = Pair::memory_usage();
  if (engine) bytes += api->memory_usage(engine);
  bytes += static_cast<double>(buffers.species.capacity() * sizeof(int));
  bytes += static_cast<double>(close_pairs.capacity() * sizeof(close_pairs[0]));
  for (const auto *values :
       {&buffers.energies, &buffers.forces, &buffers.virials, &buffers.centroid_virials,
        &buffers.member_energies, &buffers.member_forces, &buffers.distances,
        &buffers.distance_sums, &latest.forces, &latest.distances})
    bytes += static_cast<double>(values->capacity() * sizeof(double));
  return bytes;
}
