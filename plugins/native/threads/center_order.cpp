/* SPDX-License-Identifier: MIT */

#include "threads/center_order.h"

#include <algorithm>

namespace mlpot {

namespace {

  constexpr int BLOCK = 2048;    // centers; their messages fit the second-level cache
  constexpr int FEW = 64;        // centers that are not worth it

}    // namespace

void find_order(const mlpot_atoms &atoms, int first, int last, int n_species,
                std::vector<int> &order)
{
  order.clear();
  if (n_species == 1 || last - first < FEW) return;
  order.resize(last - first);
  std::vector<int> place(n_species + 2);
  const auto species_of = [&](int k) {
    return std::max(atoms.species[atoms.centers[k]], -1) + 1;    // none: first
  };
  for (int start = first; start < last; start += BLOCK) {
    const int end = std::min(start + BLOCK, last);
    std::fill(place.begin(), place.end(), 0);
    for (int k = start; k < end; k++) place[species_of(k) + 1]++;
    for (int s = 1; s <= n_species; s++) place[s] += place[s - 1];
    for (int k = start; k < end; k++) order[start - first + place[species_of(k)]++] = k;
  }
}

}    // namespace mlpot
