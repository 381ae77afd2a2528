/* SPDX-License-Identifier: MIT */

#include "threads/touched_atoms.h"

namespace mlpot {

void TouchedAtoms::find(int part, const mlpot_atoms &atoms)
{
  const int n_parts = static_cast<int>(blocks.size());
  std::vector<unsigned char> &own = blocks[part];
  own.assign(n_blocks(), n_parts == 1);
  if (n_parts == 1) return;
  const int last = part_of(atoms.n_centers, part + 1, n_parts);
  for (int k = part_of(atoms.n_centers, part, n_parts); k < last; k++) {
    const int center = atoms.centers[k];
    own[center / BLOCK] = true;
    for (int n = 0; n < atoms.n_neighbors[center]; n++)
      own[(atoms.neighbors[center][n] & atoms.neighbor_mask) / BLOCK] = true;
  }
}

}    // namespace mlpot
