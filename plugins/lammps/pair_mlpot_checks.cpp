/* ----------------------------------------------------------
   pair_style mlpot: settings of a run that would give wrong numbers.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "pair_mlpot.h"

#include "chemical_elements.h"

#include "atom.h"
#include "comm.h"
#include "compute.h"
#include "error.h"
#include "force.h"
#include "group.h"
#include "modify.h"
#include "neighbor.h"
#include "update.h"

#include <cmath>

using namespace LAMMPS_NS;

// eV in kcal/mol as LAMMPS converts it
static constexpr double EV_IN_REAL_UNITS = 23.060549;

// relative difference to the mass of the element, above which a type is probably another element
static constexpr double MASS_TOLERANCE = 0.1;

/* ---------------------------------------------------------------------- */

void PairMLPot::set_units()
{
  if (utils::strmatch(update->unit_style, "^metal$"))
    energy_unit = 1.0;
  else if (utils::strmatch(update->unit_style, "^real$"))
    energy_unit = EV_IN_REAL_UNITS;
  else
    error->all(FLERR, "Pair style mlpot requires units metal or real, got units {}",
               update->unit_style);
}

/* ----------------------------------------------------------------------
   collective: LAMMPS can leave pairs out of the neighbor list; without them
   the energy of an atom is wrong
------------------------------------------------------------------------- */

void PairMLPot::check_neighbor_list() const
{
  int mine = misses_bonded(), any;
  MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, world);
  if (any)
    error->all(FLERR,
               "Pair style mlpot requires all neighbors, but special_bonds leaves bonded ones out "
               "of the list: use special_bonds lj/coul 1 1 1, or, beside a force field with bonds, "
               "1e-50 instead of 0");
  if (misses_excluded())
    error->all(
        FLERR,
        "Pair style mlpot requires all neighbors, but neigh_modify exclude or include leaves "
        "some of them out of the list: remove it, or use neigh_modify exclude none");
}

/* ----------------------------------------------------------------------
   LAMMPS leaves out special neighbors whose factors are both 0
------------------------------------------------------------------------- */

bool PairMLPot::misses_bonded() const
{
  for (int k = 1; k <= 3; k++) {
    if (force->special_lj[k] != 0.0 || force->special_coul[k] != 0.0) continue;
    for (int i = 0; i < atom->nlocal; i++)
      if (species_of_type[atom->type[i]] >= 0 && has_special(i, k)) return true;
  }
  return false;
}

/* ----------------------------------------------------------------------
   whether an atom has special neighbors of kind 1-2, 1-3 or 1-4
------------------------------------------------------------------------- */

bool PairMLPot::has_special(int i, int kind) const
{
  // the bonds stand in the template, whose headers are not part of a binary LAMMPS
  if (atom->molecular == Atom::TEMPLATE) return atom->molindex[i] >= 0;
  if (atom->molecular != Atom::MOLECULAR) return false;
  const int before = kind > 1 ? atom->nspecial[i][kind - 2] : 0;
  return atom->nspecial[i][kind - 1] > before;
}

/* ----------------------------------------------------------------------
   collective: whether neigh_modify leaves out pairs of atoms that both have an element
------------------------------------------------------------------------- */

bool PairMLPot::misses_excluded() const
{
  const auto in_group = [this](int number) {
    return has_atoms(group->bitmask[number], true);
  };
  if (neighbor->includegroup && has_atoms(group->bitmask[neighbor->includegroup], false))
    return true;
  for (int k = 0; k < neighbor->nex_type; k++)
    if (species_of_type[neighbor->ex1_type[k]] >= 0 && species_of_type[neighbor->ex2_type[k]] >= 0)
      return true;
  for (int k = 0; k < neighbor->nex_group; k++)
    if (in_group(neighbor->ex1_group[k]) && in_group(neighbor->ex2_group[k])) return true;
  for (int k = 0; k < neighbor->nex_mol; k++)
    if (in_group(neighbor->ex_mol_group[k])) return true;
  return false;
}

/* ----------------------------------------------------------------------
   collective: whether atoms with an element are inside (or outside) of a group
------------------------------------------------------------------------- */

bool PairMLPot::has_atoms(int groupbit, bool inside) const
{
  int mine = 0, any;
  for (int i = 0; i < atom->nlocal; i++)
    if (species_of_type[atom->type[i]] >= 0 && inside == bool(atom->mask[i] & groupbit)) mine = 1;
  MPI_Allreduce(&mine, &any, 1, MPI_INT, MPI_MAX, world);
  return any;
}

/* ----------------------------------------------------------------------
   the virial of an edge belongs to its neighbor only where an atomic energy
   depends on nothing beyond the neighbors of its atom
------------------------------------------------------------------------- */

void PairMLPot::check_centroid_stress() const
{
  if (model.n_layers == 1) return;
  for (const Compute *compute : modify->get_compute_list())
    if (utils::strmatch(compute->style, "^centroid/stress/atom"))
      error->all(FLERR,
                 "Pair style mlpot does not support compute centroid/stress/atom with a model of "
                 "{} layers: the heat flux of message passing would be wrong. Use a model with one "
                 "layer, or compute stress/atom if no heat flux is made of it",
                 model.n_layers);
}

/* ----------------------------------------------------------------------
   compute heat/flux does not show which stress it uses
------------------------------------------------------------------------- */

void PairMLPot::warn_heat_flux()
{
  const bool has_flux = !modify->get_compute_by_style("^heat/flux").empty();
  const bool has_centroid = !modify->get_compute_by_style("^centroid/stress/atom").empty();
  if (warned_heat_flux || !has_flux || has_centroid) return;
  warned_heat_flux = true;
  if (comm->me == 0)
    error->warning(FLERR,
                   "Pair style mlpot: compute heat/flux with compute stress/atom is wrong for "
                   "many-body potentials; use compute centroid/stress/atom and a model with one "
                   "layer");
}

/* ----------------------------------------------------------------------
   a mass of another element shows elements in the wrong order
------------------------------------------------------------------------- */

void PairMLPot::warn_masses()
{
  if (warned_masses) return;
  std::string found;
  for (int type = 1; atom->mass && type <= atom->ntypes; type++) {
    if (species_of_type[type] < 0 || !atom->mass_setflag[type]) continue;
    const int number = model.atomic_numbers[species_of_type[type]];
    const double mass = atom->mass[type], expected = MLPotElements::MASSES[number];
    if (std::abs(mass - expected) <= MASS_TOLERANCE * expected) continue;
    if (MLPotElements::is_light_isotope(number, mass)) continue;
    found += fmt::format("; type {} has mass {:g}, its element {} has {:g}", type, mass,
                         MLPotElements::SYMBOLS[number], expected);
  }
  warned_masses = !found.empty();
  if (warned_masses && comm->me == 0)
    error->warning(FLERR, "Pair style mlpot: check the order of elements in pair_coeff" + found);
}
