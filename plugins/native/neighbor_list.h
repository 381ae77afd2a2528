/* SPDX-License-Identifier: MIT

   The neighbours of every atom of one structure, and the periodic image that each of them lies in: what
   the engine takes from a host that has no copies of the atoms.

   Rows are checked or searched once and then used for many steps, while positions and cell change. They
   may reach beyond the cutoff: the engine looks at the distances. */

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

  /* Neighbours of atom i are the next counts[i] of the list, sorted by the host as it likes; images[k]
     is the place in the table of the image that neighbour k lies in: S in S @ cell.
     Throws std::invalid_argument for what is not a list of n_atoms rows. */
  static NeighborList with_images(std::vector<int> counts, std::vector<int> neighbors,
                                  std::vector<int> images, std::vector<Image> table);
  /* Vectors from the position of the centre instead of images; `place_images` has no effect. */
  static NeighborList with_offsets(std::vector<int> counts, std::vector<int> neighbors,
                                   std::vector<double> offsets);

  int n_atoms() const { return static_cast<int>(counts.size()); }
  std::size_t n_pairs() const { return neighbors.size(); }
  const std::vector<int> &row_lengths() const { return counts; }
  const std::vector<int> &all_neighbors() const { return neighbors; }
  Image image(std::size_t pair) const { return table[images[pair]]; }    // S in S @ cell

  /* Offsets of the images in this cell, whose vectors are rows. */
  void place_images(const double *cell);

  /* Of all pairs in the list. */
  ClosestPair closest_pair(const double *positions) const;

  /* For NativeEngine::compute_alone; arrays of n_atoms, which must live as long. */
  NativeAtoms atoms(const int *species, const double *positions) const;

 private:
  NeighborList(std::vector<int> counts, std::vector<int> neighbors);

  std::vector<int> counts, neighbors, images, centers;
  std::vector<Image> table;
  std::vector<double> offsets;    // of the table; without one, of the pairs
  std::vector<int *> row_neighbors;
  std::vector<const int *> row_images;    // empty without a table
  std::vector<const double *> row_offsets;

  void point_at_rows();
};

/* All pairs closer than the cutoff (A), sorted by centre, neighbour and image, in a cell of three
   independent vectors, larger or smaller than the cutoff, of any shape; atoms may lie outside of it.
   Vectors that are not periodic only frame the search. The offsets are not placed yet.

   Throws std::invalid_argument where numbers become too large: of atoms, of neighbours, of cells
   between two atoms. */
NeighborList search_neighbors(int n_atoms, const double *positions, const double *cell,
                              const bool *periodic, double cutoff);

}    // namespace mlpot

#endif
