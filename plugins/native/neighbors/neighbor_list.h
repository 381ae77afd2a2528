/* SPDX-License-Identifier: MIT

   Neighbor list of one structure, with the periodic image of each neighbor, for hosts without ghost atoms.

   A list is checked or searched once and then used for many steps, while positions and cell change. It may
   hold pairs beyond the cutoff; the engine leaves them out. */

#ifndef MLPOT_NEIGHBOR_LIST_H
#define MLPOT_NEIGHBOR_LIST_H

#include "native_engine.h"

#include <array>
#include <cstddef>
#include <vector>

namespace mlpot {

/* Two atoms of a structure (or one and an image of itself) and their distance, A. */
struct ClosestPair {
  double distance;    // infinite: there is no pair
  int center, neighbor;
};

using Image = std::array<int, 3>;

class NeighborList {
 public:
  NeighborList(NeighborList &&) = default;
  NeighborList(const NeighborList &) = delete;
  NeighborList &operator=(const NeighborList &) = delete;

  /* Neighbors of atom i are the next counts[i] entries, in any order; images[k] is the index into `table` of
     the image of neighbor k, S in S @ cell. Throws std::invalid_argument for inconsistent arrays. */
  static NeighborList with_images(std::vector<int> counts, std::vector<int> neighbors,
                                  std::vector<int> images, std::vector<Image> table);
  /* With an offset for each pair instead of images; `place_images` has no effect. */
  static NeighborList with_offsets(std::vector<int> counts, std::vector<int> neighbors,
                                   std::vector<double> offsets);

  int n_atoms() const { return static_cast<int>(counts.size()); }
  std::size_t n_pairs() const { return neighbors.size(); }
  const std::vector<int> &row_lengths() const { return counts; }
  const std::vector<int> &all_neighbors() const { return neighbors; }
  Image image(std::size_t pair) const { return table[images[pair]]; }    // S in S @ cell

  /* Computes the offsets of the images in a cell, whose vectors are rows. */
  void place_images(const double *cell);

  /* Of all pairs in the list. */
  ClosestPair closest_pair(const double *positions) const;

  /* Argument of NativeEngine::compute_alone; points into this list and the two arrays, [n_atoms]. */
  NativeAtoms atoms(const int *species, const double *positions) const;

 private:
  NeighborList(std::vector<int> counts, std::vector<int> neighbors);

  unsigned long long version;    // of this list alone
  std::vector<int> counts, neighbors, images, centers;
  std::vector<Image> table;
  std::vector<double> offsets;    // of the entries of `table`, or of the pairs
  std::vector<int *> row_neighbors;
  std::vector<const int *> row_images;    // empty without a table
  std::vector<const double *> row_offsets;

  void point_at_rows();
};

/* All pairs closer than the cutoff (A), sorted by center, neighbor and image, in a cell of three
   independent vectors, larger or smaller than the cutoff, of any shape; atoms may lie outside of it.
   Vectors that are not periodic only frame the search. The offsets are not placed yet.

   Throws std::invalid_argument where numbers become too large: of atoms, of neighbors, of cells
   between two atoms. */
NeighborList search_neighbors(int n_atoms, const double *positions, const double *cell,
                              const bool *periodic, double cutoff);

}    // namespace mlpot

#endif
