/* ----------------------------------------------------------
   pair_style mlpot: the model of a run, loaded on all ranks.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "chemical_elements.h"
#include "mlpot_files.h"

#include "atom.h"
#include "comm.h"
#include "error.h"

#include <algorithm>

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   collective: rank 0 reads the model for all; a failure on one rank stops all
------------------------------------------------------------------------- */

void PairMLPot::load_model(const std::string &name)
{
  unload();
  std::string content;
  const std::string path = read_model(name, content);
  stop_if_any_failed(open_engine());
  stop_if_any_failed(create_engine(path, content));
  log_model(path);
  warn_threads();
}

/* ----------------------------------------------------------------------
   collective: content of a model file and its path, which may exist on rank 0 only
------------------------------------------------------------------------- */

std::string PairMLPot::read_model(const std::string &name, std::string &content)
{
  std::string path, failure;
  if (comm->me == 0) {
    path = MLPotFiles::find_model(name);
    if (path.empty())
      failure = "Cannot find model file " + name +
          " for pair style mlpot, nor a shipped potential of that name";
    else if (!MLPotFiles::read(path, content))
      failure = "Pair style mlpot cannot read model file " + path;
  }
  stop_if_any_failed(failure);
  broadcast(path, 0);
  broadcast(content, 0);
  return path;
}

/* ----------------------------------------------------------------------
   collective: all ranks run the same engine; empty, or why this rank cannot
------------------------------------------------------------------------- */

std::string PairMLPot::open_engine()
{
  const std::string best = device == "cpu" ? "native" : "torch";
  MLPotFiles::Engine library = MLPotFiles::open_engine(engine_name == "auto" ? best : engine_name);
  int found = library.api != nullptr, all_found;
  MPI_Allreduce(&found, &all_found, 1, MPI_INT, MPI_MIN, world);
  if (!all_found && engine_name == "auto" && best != "torch")
    library = MLPotFiles::open_engine("torch");
  api = library.api;
  return api ? "" : library.error;
}

/* ----------------------------------------------------------------------
   collective: empty, or why the engine cannot run the model
------------------------------------------------------------------------- */

std::string PairMLPot::create_engine(const std::string &path, const std::string &content)
{
  MPI_Comm node;
  int node_rank;
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, comm->me, MPI_INFO_NULL, &node);
  MPI_Comm_rank(node, &node_rank);
  MPI_Comm_free(&node);
  EngineMessage message;
  const mlpot_settings chosen = {path.c_str(),   precision.c_str(), device.c_str(), node_rank,
                                 comm->nthreads, content.data(),    content.size()};
  engine = api->create(&chosen, &model, &message.handle);
  return engine ? "" : std::string("Pair style mlpot: ") + message.text;
}

/* ---------------------------------------------------------------------- */

void PairMLPot::map_species(const std::string &name)
{
  std::vector<std::string> of_model;
  for (int k = 0; k < model.n_elements; k++)
    of_model.emplace_back(MLPotElements::SYMBOLS[model.atomic_numbers[k]]);
  species_of_type.assign(atom->ntypes + 1, -1);
  radius_of_type.assign(atom->ntypes + 1, 0.0);
  for (int type = 1; type <= atom->ntypes; type++) {
    if (map[type] < 0) continue;
    const std::string element = elements[map[type]];
    const auto found = std::find(of_model.begin(), of_model.end(), element);
    if (found == of_model.end())
      error->all(FLERR, "Unknown element {} for pair style mlpot: the elements of model {} are {}",
                 element, name, utils::join_words(of_model, ", "));
    species_of_type[type] = static_cast<int>(found - of_model.begin());
    radius_of_type[type] =
        MLPotElements::COVALENT_RADII[model.atomic_numbers[species_of_type[type]]];
  }
}

/* ---------------------------------------------------------------------- */

void PairMLPot::log_model(const std::string &path) const
{
  if (comm->me != 0) return;
  utils::logmesg(lmp,
                 "Pair style mlpot runs {} with engine {}, precision {}, device {}; {} layer{}, "
                 "cutoff {} A\n",
                 path, model.engine, model.precision, device, model.n_layers,
                 model.n_layers > 1 ? "s" : "", model.cutoff);
}
