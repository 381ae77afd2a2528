/* SPDX-License-Identifier: MIT

   Owns the memory of a Workspace: one block, divided among its arrays. */

#ifndef MLPOT_WORKSPACE_H
#define MLPOT_WORKSPACE_H

#include "kernels/aligned_array.h"
#include "kernels/kernel.h"

namespace mlpot {

template <typename N> class WorkspaceMemory {
 public:
  /* Grows to hold a center whose neighbor list has `n_neighbors` entries. n_members: of a deep committee,
     else 1. */
  void prepare(const ModelTables<Real<N>> &model, int n_members, int n_neighbors, int lanes);
  Workspace<N> view = {};
  std::size_t bytes() const { return memory.bytes(); }

 private:
  AlignedArray<char> memory;
  std::size_t used = 0;

  template <typename V> void cut(V *&place, std::size_t size);
  void cut_all(const ModelTables<Real<N>> &model, int n_members, int capacity, int lanes);
  void cut_ensemble_arrays(const ModelTables<Real<N>> &model, int n_members, int capacity,
                           int lanes);
  void cut_message_arrays(const ModelTables<Real<N>> &model, int capacity);
};

}    // namespace mlpot

#endif
