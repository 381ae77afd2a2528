/* SPDX-License-Identifier: MIT */

#include "threads/touched_atoms.h"

namespace mlpot {

void TouchedAtoms::find(int part, const mlpot_atoms &atoms)
{
  const mlpot_neighbors &list = atoms.neighbors;
  const int n_parts = static_cast<int>(blocks.size());
  std::vector<unsigned char> &own = blocks[part];
  if (list.version != 0 && list.version == versions[part]) return;
  versions[part] = 0;
  own.assign(n_blocks(), n_parts == 1);
  const int last = part_of(atoms.n_centers, part + 1, n_parts);
  for (int k = part_of(atoms.n_centers, part, n_parts); k < last && n_parts > 1; k++) {
    const int center = atoms.centers[k];
    own[center / BLOCK] = true;
    for (int n = 0; n < list.counts[center]; n++)
      own[(list.rows[center][n] & list.mask) / BLOCK] = true;
  }
  versions[part] = list.version;
}

}    // namespace mlpot
