/* ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "mlpot_frame.h"

#include "atom.h"
#include "comm.h"
#include "domain.h"
#include "update.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

using namespace LAMMPS_NS;
namespace fs = std::filesystem;

// 1 A/fs in sqrt(eV/amu), the unit of velocities in ASE
static constexpr double ASE_VELOCITY = 10.180505710774743;

// values of each atom in a row: number, type, mass, position, momentum, force, further columns
static constexpr int FORCES = 9, COLUMNS = 12;

/* ---------------------------------------------------------------------- */

void MLPotFrame::capture(bool with_forces)
{
  const int n = atom->nlocal;
  const auto vectors = [n](double **array) {
    return n > 0 ? std::vector<double>(array[0], array[0] + 3 * static_cast<std::size_t>(n))
                 : std::vector<double>();
  };
  step = update->ntimestep;
  numbers.assign(atom->tag, atom->tag + n);
  types.assign(atom->type, atom->type + n);
  x = vectors(atom->x);
  v = vectors(atom->v);
  has_forces = with_forces;
  if (has_forces) f = vectors(atom->f);
  masses.clear();
  if (atom->rmass) masses.assign(atom->rmass, atom->rmass + n);
  const double edges[3][3] = {{domain->xprd, 0.0, 0.0},
                              {domain->xy, domain->yprd, 0.0},
                              {domain->xz, domain->yz, domain->zprd}};
  for (int a = 0; a < 3; a++) {
    origin[a] = domain->boxlo[a];
    periodic[a] = domain->periodicity[a];
    std::copy_n(edges[a], 3, cell[a]);
  }
}

/* ---------------------------------------------------------------------- */

bool MLPotFrame::is_current() const
{
  const auto n = static_cast<std::size_t>(atom->nlocal);
  return step == update->ntimestep && numbers.size() == n &&
      std::equal(numbers.begin(), numbers.end(), atom->tag) &&
      std::equal(types.begin(), types.end(), atom->type) &&
      (n == 0 || std::equal(x.begin(), x.end(), atom->x[0]));
}

/* ---------------------------------------------------------------------- */

MLPotFrame::Column MLPotFrame::selection(const std::string &name,
                                         const std::vector<tagint> &selected) const
{
  Column column = {name, true, {}};
  for (const tagint number : numbers)
    column.values.push_back(std::find(selected.begin(), selected.end(), number) != selected.end());
  return column;
}

/* ---------------------------------------------------------------------- */

bool MLPotFrame::write(const std::string &path, bool append,
                       const std::vector<std::string> &symbols, double energy_unit,
                       const std::string &info, const std::vector<Column> &columns) const
{
  std::vector<double> all = gather(rows(energy_unit, columns));
  int written = 1;
  if (comm->me == 0) {
    std::error_code none;
    const auto size = append ? fs::file_size(path, none) : 0;
    FILE *file = fopen(path.c_str(), append ? "a" : "w");
    if (file) {
      const auto n_atoms = static_cast<bigint>(all.size() / (COLUMNS + columns.size()));
      utils::print(file, header(n_atoms, info, columns));
      print_rows(file, all, symbols, columns);
    }
    written = file && !ferror(file);
    if (file && fclose(file) != 0) written = 0;
    if (file && !written) remove_after(path, none ? 0 : size);
  }
  MPI_Bcast(&written, 1, MPI_INT, 0, world);
  return written;
}

/* ----------------------------------------------------------------------
   a file on a full disk keeps whole frames
------------------------------------------------------------------------- */

void MLPotFrame::remove_after(const std::string &path, std::uintmax_t size)
{
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return;
  if (size > 0)
    fs::resize_file(path, size, ignored);
  else
    fs::remove(path, ignored);
}

/* ----------------------------------------------------------------------
   the atoms of this rank, in the units of ASE
------------------------------------------------------------------------- */

std::vector<double> MLPotFrame::rows(double energy_unit, const std::vector<Column> &columns) const
{
  // A/ps in units metal, A/fs in units real
  const bool is_metal = utils::strmatch(update->unit_style, "^metal$");
  const double velocity = ASE_VELOCITY * (is_metal ? 1e-3 : 1.0);
  std::vector<double> all;
  for (std::size_t i = 0; i < numbers.size(); i++) {
    const double mass = masses.empty() ? atom->mass[types[i]] : masses[i];
    all.insert(all.end(), {static_cast<double>(numbers[i]), static_cast<double>(types[i]), mass});
    for (int a = 0; a < 3; a++) all.push_back(x[3 * i + a]);
    for (int a = 0; a < 3; a++) all.push_back(mass * velocity * v[3 * i + a]);
    for (int a = 0; a < 3; a++) all.push_back(!has_forces ? 0.0 : f[3 * i + a] / energy_unit);
    for (const Column &column : columns) all.push_back(column.values[i]);
  }
  return all;
}

/* ----------------------------------------------------------------------
   all rows on rank 0
------------------------------------------------------------------------- */

std::vector<double> MLPotFrame::gather(const std::vector<double> &mine) const
{
  auto size = static_cast<int>(mine.size());
  if (comm->me != 0) {
    MPI_Send(&size, 1, MPI_INT, 0, 0, world);
    MPI_Send(mine.data(), size, MPI_DOUBLE, 0, 0, world);
    return {};
  }
  std::vector<double> all = mine;
  for (int rank = 1; rank < comm->nprocs; rank++) {
    MPI_Recv(&size, 1, MPI_INT, rank, 0, world, MPI_STATUS_IGNORE);
    const std::size_t begin = all.size();
    all.resize(begin + size);
    MPI_Recv(all.data() + begin, size, MPI_DOUBLE, rank, 0, world, MPI_STATUS_IGNORE);
  }
  return all;
}

/* ---------------------------------------------------------------------- */

std::string MLPotFrame::header(bigint n_atoms, const std::string &info,
                               const std::vector<Column> &columns) const
{
  std::string text = fmt::format("{}\nLattice=\"", n_atoms);
  for (int k = 0; k < 9; k++) text += fmt::format("{}{}", k ? " " : "", cell[k / 3][k % 3]);
  text += "\" Properties=species:S:1:pos:R:3:id:I:1:masses:R:1:momenta:R:3";
  if (has_forces) text += ":forces:R:3";
  for (const Column &column : columns)
    text += fmt::format(":{}:{}:1", column.name, column.logical ? "L" : "R");
  text += fmt::format(" pbc=\"{} {} {}\"", periodic[0] ? "T" : "F", periodic[1] ? "T" : "F",
                      periodic[2] ? "T" : "F");
  text += fmt::format(" Origin=\"{} {} {}\" step={}", origin[0], origin[1], origin[2], step);
  return text + (info.empty() ? "" : " ") + info + "\n";
}

/* ----------------------------------------------------------------------
   in the order of the atoms' numbers
------------------------------------------------------------------------- */

void MLPotFrame::print_rows(FILE *file, std::vector<double> &all,
                            const std::vector<std::string> &symbols,
                            const std::vector<Column> &columns) const
{
  const std::size_t width = COLUMNS + columns.size();
  std::vector<const double *> order;
  for (std::size_t k = 0; k < all.size(); k += width) order.push_back(all.data() + k);
  std::sort(order.begin(), order.end(), [](const double *one, const double *other) {
    return one[0] < other[0];
  });
  for (const double *row : order) {
    std::string text = symbols[static_cast<int>(row[1])];
    const auto add = [&text](double value) {
      text += fmt::format(" {}", value);
    };
    std::for_each(row + 3, row + 6, add);
    text += fmt::format(" {} {}", static_cast<tagint>(row[0]), row[2]);
    std::for_each(row + 6, row + (has_forces ? COLUMNS : FORCES), add);
    for (std::size_t k = 0; k < columns.size(); k++) {
      const double value = row[COLUMNS + k];
      if (columns[k].logical)
        text += value != 0.0 ? " T" : " F";
      else
        add(value);
    }
    utils::print(file, text + "\n");
  }
}

/* ---------------------------------------------------------------------- */

double MLPotFrame::memory_usage() const
{
  double bytes = 0.0;
  for (const auto *values : {&x, &v, &f, &masses})
    bytes += static_cast<double>(values->capacity() * sizeof(double));
  return bytes + static_cast<double>(numbers.capacity() * sizeof(tagint)) +
      static_cast<double>(types.capacity() * sizeof(int));
}
