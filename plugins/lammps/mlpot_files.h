/* -*- c++ -*- ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_MLPOT_FILES_H
#define LMP_MLPOT_FILES_H

#include "engine_api.h"

#include <string>

namespace MLPotFiles {

// an engine, or the error that kept it from being opened
struct Engine {
  const mlpot_engine_api *api = nullptr;
  std::string path, error;
};

// finds and opens the shared library of an engine, "native" or "torch"
Engine open_engine(const std::string &name);

// file of a model given by path, by the name of a file in LAMMPS_POTENTIALS, or by the name of a shipped potential; empty
// if not found
std::string find_model(const std::string &name);

// content of a file; false if it cannot be read
bool read(const std::string &path, std::string &content);

}    // namespace MLPotFiles

#endif
