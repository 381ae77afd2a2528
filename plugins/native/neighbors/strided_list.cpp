/* SPDX-License-Identifier: MIT */

#include "neighbors/strided_list.h"

#include "neighbor_of.h"

namespace mlpot {

mlpot_atoms StridedList::with_rows(const mlpot_atoms &atoms)
{
  if (atoms.neighbors.rows) return atoms;
  if (version == 0 || version != atoms.neighbors.version) copy(atoms);
  mlpot_atoms same = atoms;
  same.neighbors.rows = rows.data();
  return same;
}

void StridedList::copy(const mlpot_atoms &atoms)
{
  const mlpot_neighbors &list = atoms.neighbors;
  version = 0;
  std::size_t size = 0;
  for (int k = 0; k < atoms.n_centers; k++) size += list.counts[atoms.centers[k]];
  entries.resize(size);
  rows.resize(atoms.n_atoms);
  int *row = entries.data();
  for (int k = 0; k < atoms.n_centers; k++) {
    const int center = atoms.centers[k];
    rows[center] = row;
    for (int n = 0; n < list.counts[center]; n++) *row++ = neighbor_of(list, center, n);
  }
  version = list.version;
}

double StridedList::bytes() const
{
  return static_cast<double>(entries.capacity() * sizeof(int) + rows.capacity() * sizeof(int *));
}

}    // namespace mlpot
