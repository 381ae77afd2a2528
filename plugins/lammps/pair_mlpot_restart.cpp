/* ----------------------------------------------------------
   pair_style mlpot in restart files.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "comm.h"
#include "error.h"

using namespace LAMMPS_NS;

/* ----------------------------------------------------------------------
   a restart file holds the settings; pair_coeff must be repeated
------------------------------------------------------------------------- */

void PairMLPot::write_restart(FILE *fp)
{
  write_restart_settings(fp);
}

void PairMLPot::read_restart(FILE *fp)
{
  read_restart_settings(fp);
  allocate();
}

void PairMLPot::write_restart_settings(FILE *fp)
{
  write_word(fp, engine_name);
  write_word(fp, precision);
  write_word(fp, device);
  fwrite(&closest, sizeof(closest), 1, fp);
}

void PairMLPot::read_restart_settings(FILE *fp)
{
  engine_name = read_word(fp);
  precision = read_word(fp);
  device = read_word(fp);
  if (comm->me == 0) utils::sfread(FLERR, &closest, sizeof(closest), 1, fp, nullptr, error);
  MPI_Bcast(&closest, 1, MPI_DOUBLE, 0, world);
}

// fixed size, so that no length is communicated
static constexpr int WORD_SIZE = 16;

void PairMLPot::write_word(FILE *fp, const std::string &word)
{
  char buffer[WORD_SIZE] = "";
  word.copy(buffer, WORD_SIZE - 1);
  fwrite(buffer, 1, WORD_SIZE, fp);
}

std::string PairMLPot::read_word(FILE *fp)
{
  char buffer[WORD_SIZE] = "";
  if (comm->me == 0) utils::sfread(FLERR, buffer, 1, WORD_SIZE, fp, nullptr, error);
  MPI_Bcast(buffer, WORD_SIZE, MPI_CHAR, 0, world);
  buffer[WORD_SIZE - 1] = '\0';
  return buffer;
}
