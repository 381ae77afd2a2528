/* SPDX-License-Identifier: MIT

   Entries of the neighbor lists of a host. */

#ifndef MLPOT_NEIGHBOR_OF_H
#define MLPOT_NEIGHBOR_OF_H

#include "engine_api.h"

namespace mlpot {

/* Entry k of an atom. */
inline int neighbor_of(const mlpot_neighbors &neighbors, int atom, int k)
{
  const int entry = neighbors.rows
      ? neighbors.rows[atom][k]
      : neighbors.strided[atom * neighbors.atom_stride + k * neighbors.entry_stride];
  return entry & neighbors.mask;
}

}    // namespace mlpot

#endif
