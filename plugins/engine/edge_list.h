/* SPDX-License-Identifier: MIT

   The pairs inside the cutoff, from a neighbour list that may reach further, sorted by centre.
   Atoms are renumbered: first the centres in the order of the list, then every other atom that is a
   neighbour. Atoms that take no part (NULL types, far ghosts) get no number. */

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
  std::vector<int> atoms;    // number -> index of the atom at the host
  std::vector<std::int64_t> species;
  std::vector<std::int64_t> index;    // centre of every edge, then neighbour of every edge
  std::vector<double> vectors;        // r_ij = r_j - r_i, 3 per edge, A

  std::int64_t n_atoms() const { return static_cast<std::int64_t>(atoms.size()); }
  std::int64_t n_edges() const { return static_cast<std::int64_t>(vectors.size() / 3); }

 private:
  std::vector<int> number;    // index of the atom at the host -> number, -1: none yet
  std::vector<std::int64_t> neighbors;

  int number_of(const mlpot_atoms &host, int atom);
  void add_edges(const mlpot_atoms &host, int center, double cutoff_squared);
};

}    // namespace mlpot

#endif
