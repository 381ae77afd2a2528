/* ----------------------------------------------------------
   pair_style mlpot: errors of one rank that end all of them.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "mlpot_errors.h"

#include "comm.h"
#include "error.h"
#include "exceptions.h"
#include "update.h"

#include <chrono>
#include <cstdio>
#include <thread>

using namespace LAMMPS_NS;

namespace {

// the launcher of MPI forwards output when it has time, and drops what was printed right before MPI_Abort
void deliver_output(LAMMPS *lmp)
{
  std::fflush(nullptr);
  if (lmp->comm->nprocs > 1) std::this_thread::sleep_for(std::chrono::milliseconds(500));
}

}    // namespace

namespace MLPotErrors {

void abort_all(LAMMPS *lmp, const std::string &message)
{
  try {
    lmp->error->one(FLERR, message);
  } catch (const LAMMPSAbortException &) {
    deliver_output(lmp);
    throw;
  }
}

void abort_without_memory(LAMMPS *lmp)
{
  try {
    abort_all(lmp, std::string("Pair style mlpot: ") + NO_MEMORY);
  } catch (const std::bad_alloc &) {    // not even for the error
    std::fprintf(stderr, "ERROR on proc %d: Pair style mlpot: %s\n", lmp->comm->me, NO_MEMORY);
    deliver_output(lmp);
    if (lmp->update)
      lmp->update->whichflag = 0;    // as Error::one does: further commands are possible
    throw LAMMPSAbortException("no memory", lmp->world);    // short: kept without an allocation
  }
}

}    // namespace MLPotErrors
