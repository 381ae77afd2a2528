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

#include <cstdint>
#include <string>
#include <vector>

namespace LAMMPS_NS {

// Structure at one step, distributed over the ranks, and its output as extended XYZ in the units of ASE:
// eV, A, amu; momenta in sqrt(amu eV).
class MLPotFrame : protected Pointers {
 public:
  // further value of each atom of this rank
  struct Column {
    std::string name;
    bool logical;
    std::vector<double> values;
  };

  explicit MLPotFrame(LAMMPS *lmp) : Pointers(lmp) {}

  bigint step = -1;    // -1: none captured yet

  // copies the atoms as they are now
  void capture(bool with_forces);
  // whether this rank has the same atoms, at the same positions, as when they were captured
  bool is_current() const;
  // logical column, true for the atoms with one of these numbers
  Column selection(const std::string &name, const std::vector<tagint> &numbers) const;
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
  std::vector<double> x, v, f, masses;    // empty masses: those of the types

  static void remove_after(const std::string &, std::uintmax_t);
  std::vector<double> rows(double, const std::vector<Column> &) const;
  std::vector<double> gather(const std::vector<double> &) const;
  std::string header(bigint, const std::string &, const std::vector<Column> &) const;
  void print_rows(FILE *, std::vector<double> &, const std::vector<std::string> &,
                  const std::vector<Column> &) const;
};

}    // namespace LAMMPS_NS

#endif
