/* -*- c++ -*- ----------------------------------------------------------
   pair_style mlpot: errors of one rank that end all of them.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_MLPOT_ERRORS_H
#define LMP_MLPOT_ERRORS_H

#include "lammps.h"

#include <new>
#include <string>

namespace MLPotErrors {

constexpr const char *NO_MEMORY = "not enough memory; use more machines or a smaller system";

// ends all ranks with an error of this one, printed before
[[noreturn]] void abort_all(LAMMPS_NS::LAMMPS *, const std::string &);
[[noreturn]] void abort_without_memory(LAMMPS_NS::LAMMPS *);

// runs an action that communicates: a lack of memory on one rank would leave the others waiting, so it ends all of them
template <typename Action>
auto or_abort(LAMMPS_NS::LAMMPS *lmp, const Action &action) -> decltype(action())
{
  try {
    return action();
  } catch (const std::bad_alloc &) {
    abort_without_memory(lmp);
  }
}

}    // namespace MLPotErrors

#endif
