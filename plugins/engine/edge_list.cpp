/* SPDX-License-Identifier: MIT */

#include "edge_list.h"

#include "neighbor_of.h"

namespace mlpot {

EdgeList::EdgeList(const mlpot_atoms &host, double cutoff) :
    n_centers(host.n_centers), number(host.n_atoms, -1)
{
  for (int k = 0; k < n_centers; k++) number_of(host, host.centers[k]);
  for (int k = 0; k < n_centers; k++) add_edges(host, k, cutoff * cutoff);
  index.insert(index.end(), neighbors.begin(), neighbors.end());
}

int EdgeList::number_of(const mlpot_atoms &host, int atom)
{
  if (number[atom] < 0) {
    number[atom] = static_cast<int>(atoms.size());
    atoms.push_back(atom);
    species.push_back(host.species[atom]);
  }
  return number[atom];
}

void EdgeList::add_edges(const mlpot_atoms &host, int center, double cutoff_squared)
{
  const int i = host.centers[center];
  const double *ri = host.positions + 3 * static_cast<std::size_t>(i);
  for (int n = 0; n < host.neighbors.counts[i]; n++) {
    const int j = neighbor_of(host.neighbors, i, n);
    if (host.species[j] < 0) continue;
    const double *rj = host.positions + 3 * static_cast<std::size_t>(j);
    const double x = rj[0] - ri[0], y = rj[1] - ri[1], z = rj[2] - ri[2];
    if (x * x + y * y + z * z >= cutoff_squared) continue;
    index.push_back(center);
    neighbors.push_back(number_of(host, j));
    vectors.insert(vectors.end(), {x, y, z});
  }
}

}    // namespace mlpot
