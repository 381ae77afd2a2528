/* -*- c++ -*- ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#ifndef LMP_MLPOT_FRAME_H
#define LMP_MLPOT_FRAME_H

#include "pointers.h"

#include <string>
#include <vector>

namespace LAMMPS_NS {

// A structure at one step, each rank with its own atoms, and its way into a file of extended XYZ
// that ASE and OVITO read. The file is in the units of ASE: eV, A, amu; momenta in sqrt(amu eV).
class MLPotFrame : protected Pointers {
 public:
  // one more value for each atom of this rank
  struct Column {
    std::string name;
    bool logical;
    std::vector<double> values;
  };

  explicit MLPotFrame(LAMMPS *lmp) : Pointers(lmp) {}

  bigint step = -1;    // -1: nothing was taken yet

  // copies the atoms as they are now
  void take(bool with_forces);
  // 1 for the atoms of this rank with one of these numbers
  Column marked(const std::string &name, const std::vector<tagint> &numbers) const;
  // collective; false on all ranks if the file could not be written. `symbols` by atom type; `energy_unit` is 1 eV
  // in the units of the run; `info` are further words for the comment line
  bool write(const std::string &path, bool append, const std::vector<std::string> &symbols,
             double energy_unit, const std::string &info, const std::vector<Column> &columns) const;
  double memory_usage() const;

 private:
  double origin[3], cell[3][3];
  bool periodic[3], has_forces;
  std::vector<tagint> numbers;
  std::vector<int> types;
  std::vector<double> x, v, f, masses;    // no masses: those of the types

  std::vector<double> rows(double, const std::vector<Column> &) const;
  std::vector<double> gather(const std::vector<double> &) const;
  std::string header(bigint, const std::string &, const std::vector<Column> &) const;
  void print_rows(FILE *, std::vector<double> &, const std::vector<std::string> &,
                  const std::vector<Column> &) const;
};

}    // namespace LAMMPS_NS

#endif
