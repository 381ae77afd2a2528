/* SPDX-License-Identifier: MIT

   The atoms that each part of the centers adds to: the centers and their neighbors, in blocks. Arrays of the threads
   are cleared and added up only there, so that this work does not grow with the number of threads. */

#ifndef MLPOT_TOUCHED_ATOMS_H
#define MLPOT_TOUCHED_ATOMS_H

#include "engine_api.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace mlpot {

/* Part `index` of `n` things in `parts` equal parts. */
inline int part_of(int n, int index, int parts)
{
  return static_cast<int>(static_cast<long long>(n) * index / parts);
}

class TouchedAtoms {
 public:
  explicit TouchedAtoms(int n_parts) : blocks(n_parts), versions(n_parts) {}

  void prepare(const mlpot_atoms &atoms) { n_atoms = atoms.n_atoms; }
  /* Finds those of one part of the centers, unless the list is the same; called by its thread, after `prepare`. */
  void find(int part, const mlpot_atoms &atoms);

  /* action(first, last) for ranges of atoms that the part adds to. */
  template <typename Action> void for_each(int part, const Action &action) const
  {
    for (int block = 0; block < n_blocks(); block++)
      if (blocks[part][block]) action(begin(block), begin(block + 1));
  }

  /* For a share of all atoms, so that several threads can work on it: start(first, last) for ranges that the first
     part does not add to, then add(part, first, last) for each other part that does, then finish(first, last). */
  template <typename Start, typename Add, typename Finish>
  void add_up(int index, const Start &start, const Add &add, const Finish &finish) const
  {
    const int n_parts = static_cast<int>(blocks.size());
    const int last = part_of(n_blocks(), index + 1, n_parts);
    for (int block = part_of(n_blocks(), index, n_parts); block < last; block++) {
      if (!blocks[0][block]) start(begin(block), begin(block + 1));
      for (int part = 1; part < n_parts; part++)
        if (blocks[part][block]) add(part, begin(block), begin(block + 1));
      finish(begin(block), begin(block + 1));
    }
  }

 private:
  static constexpr int BLOCK = 64;    // atoms
  int n_atoms = 0;
  std::vector<std::vector<unsigned char>> blocks;    // [part][block]: whether the part adds to it
  std::vector<unsigned long long> versions;          // [part]: of the neighbor list; 0: none

  int n_blocks() const { return (n_atoms + BLOCK - 1) / BLOCK; }
  std::size_t begin(int block) const
  {
    return static_cast<std::size_t>(std::min(n_atoms, block * BLOCK));
  }
};

}    // namespace mlpot

#endif
