/* SPDX-License-Identifier: MIT

   Memory behind the pointers of a Workspace: one block, cut up. */

#ifndef MLPOT_WORKSPACE_H
#define MLPOT_WORKSPACE_H

#include "aligned_array.h"
#include "kernel.h"

namespace mlpot {

template <typename N> class WorkspaceMemory {
 public:
  /* Room for a centre with this many candidates for neighbours; lanes as in the kernels. Members: of a
     deep committee, else 1. */
  void prepare(const ModelTables<Real<N>> &model, int n_members, int n_candidates, int lanes);
  Workspace<N> view = {};
  std::size_t bytes() const { return memory.bytes(); }

 private:
  AlignedArray<char> memory;
  std::size_t used = 0;

  template <typename V> void cut(V *&place, std::size_t size);
  void cut_all(const ModelTables<Real<N>> &model, int n_members, int lanes);
  void cut_member_arrays(const ModelTables<Real<N>> &model, int n_members, int lanes);
  void cut_message_arrays(const ModelTables<Real<N>> &model);
};

}    // namespace mlpot

#endif
