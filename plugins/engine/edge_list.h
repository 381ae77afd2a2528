/* SPDX-License-Identifier: MIT

   The edges inside the cutoff, sorted by center, from a neighbor list that may reach further.
   Atoms are renumbered: first the centers in the order of the list, then their other neighbors.
   Atoms that are neither (NULL types, far ghosts) get no number. */

#ifndef MLPOT_EDGE_LIST_H
#define MLPOT_EDGE_LIST_H

#include "engine_api.h"

#include <cstdint>
#include <vector>

namespace mlpot {

class EdgeList {
 public:
  EdgeList(const mlpot_atoms &atoms, double cutoff);

  int n_centers;
  std::vector<int> atoms;    // number -> index of the atom in the host's arrays
  std::vector<std::int64_t> species;
  std::vector<std::int64_t> index;    // center of every edge, then neighbor of every edge
  std::vector<double> vectors;        // r_ij = r_j - r_i, 3 per edge, A

  std::int64_t n_atoms() const { return static_cast<std::int64_t>(atoms.size()); }
  std::int64_t n_edges() const { return static_cast<std::int64_t>(vectors.size() / 3); }

 private:
  std::vector<int> number;    // index in the host's arrays -> number, -1: none yet
  std::vector<std::int64_t> neighbors;

  int number_of(const mlpot_atoms &host, int atom);
  void add_edges(const mlpot_atoms &host, int center, double cutoff_squared);
};

}    // namespace mlpot

#endif
