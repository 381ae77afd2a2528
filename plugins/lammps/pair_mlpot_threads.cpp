/* ----------------------------------------------------------
   pair_style mlpot: warnings about the threads of its engine.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "comm.h"
#include "error.h"

#ifdef __linux__
#include <sched.h>
#endif

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   collective: processors that the ranks of this node may use, all of them together; 0: unknown
------------------------------------------------------------------------- */

static int processors_of(MPI_Comm node)
{
#ifdef __linux__
  cpu_set_t own, all;
  if (sched_getaffinity(0, sizeof(own), &own) != 0) CPU_ZERO(&own);
  MPI_Allreduce(&own, &all, sizeof(own), MPI_BYTE, MPI_BOR, node);
  return CPU_COUNT(&all);
#else
  (void) node;
  return 0;
#endif
}

/* ----------------------------------------------------------------------
   collective: threads that the system refuses to create, and more threads on a node than processors
------------------------------------------------------------------------- */

void PairMLPot::warn_threads() const
{
  int fewest;
  MPI_Allreduce(&model.n_threads, &fewest, 1, MPI_INT, MPI_MIN, world);
  if (comm->me == 0 && fewest < comm->nthreads)
    error->warning(
        FLERR,
        "Pair style mlpot runs on {} of {} threads: the system refuses to create more. Set "
        "OMP_NUM_THREADS to fewer, or raise the limits of processes and memory",
        fewest, comm->nthreads);
  MPI_Comm node;
  int counts[2], most[2];
  MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, comm->me, MPI_INFO_NULL, &node);
  MPI_Allreduce(&model.n_threads, &counts[0], 1, MPI_INT, MPI_SUM, node);
  const int processors = processors_of(node);
  MPI_Comm_free(&node);
  counts[1] = processors > 0 ? counts[0] - processors : 0;
  MPI_Allreduce(counts, most, 2, MPI_INT, MPI_MAX, world);
  if (comm->me == 0 && most[1] > 0)
    error->warning(FLERR,
                   "Pair style mlpot: {} threads of all ranks share {} processors of a node, which "
                   "is slow. Use fewer "
                   "ranks, or set OMP_NUM_THREADS to fewer",
                   most[0], most[0] - most[1]);
}
