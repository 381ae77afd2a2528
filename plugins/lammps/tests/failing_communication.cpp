/* SPDX-License-Identifier: GPL-2.0-or-later

   A library to preload (LD_PRELOAD) into LAMMPS, in which the communication of pair styles throws:

       c++ -std=c++17 -shared -fPIC -I <headers of LAMMPS> -I <headers of MPI> failing_communication.cpp -o failing.so

   MLPOT_FAILS: all, an error on all ranks as by Error::all; one, an error on rank 1 as by Error::one while the others
   wait for its messages; memory, the same with std::bad_alloc. */

#include "exceptions.h"

#include <dlfcn.h>
#include <mpi.h>

#include <cstdlib>
#include <new>
#include <string>

namespace LAMMPS_NS {
class Pair;
}

// CommBrick::forward_comm(Pair *, int)
extern "C" void _ZN9LAMMPS_NS9CommBrick12forward_commEPNS_4PairEi(void *comm, LAMMPS_NS::Pair *pair,
                                                                  int size)
{
  using Forward = void (*)(void *, LAMMPS_NS::Pair *, int);
  const std::string fails = std::getenv("MLPOT_FAILS");
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (fails == "all") throw LAMMPS_NS::LAMMPSException("ERROR: an injected failure");
  if (fails == "one" && rank == 1)
    throw LAMMPS_NS::LAMMPSAbortException("ERROR on proc 1: an injected failure", MPI_COMM_WORLD);
  if (fails == "memory" && rank == 1) throw std::bad_alloc();
  const auto real = reinterpret_cast<Forward>(
      dlsym(RTLD_NEXT, "_ZN9LAMMPS_NS9CommBrick12forward_commEPNS_4PairEi"));
  real(comm, pair, size);
}
