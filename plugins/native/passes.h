/* SPDX-License-Identifier: MIT

   All layers of a model forward, then all of them back, in numbers N: reals or duals. What is kept
   between them, and the threads.

   Each thread takes a contiguous part of the centres and adds to arrays of its own. Nothing is shared
   while they run, so there are no atomic operations, and the sums are the same in every run. */

#ifndef MLPOT_PASSES_H
#define MLPOT_PASSES_H

#include "native_engine.h"
#include "tables.h"
#include "thread_pool.h"
#include "workspace.h"

#include <functional>
#include <vector>

namespace mlpot {

template <typename N> class Passes {
 public:
  using Kernel = void (*)(const Task<N> &);
  Passes(const Tables<Real<N>> &tables, ThreadPool &pool, Kernel kernel);

  /* `complete` adds to the task of each thread where its results go. */
  using Complete = std::function<void(int thread, Task<N> &)>;
  void run(const NativeAtoms &atoms, const mlpot_communicator &comm, const Complete &complete);

  double bytes() const;

 private:
  const Tables<Real<N>> &tables;
  const ModelTables<Real<N>> &model;
  ThreadPool &pool;
  Kernel kernel;
  int lanes;
  std::vector<WorkspaceMemory<N>> workspaces;    // [thread]

  AlignedArray<N> messages[MAX_LAYERS];             // [layer]: what it sent, [atom][width]
  std::vector<AlignedArray<N>> message_adjoints;    // [thread]: [atom][width]
  AlignedArray<N> arrived;                          // the sum of these for a layer between
  AlignedArray<N> hidden;                           // [centre][hidden width]

  void prepare(const mlpot_atoms &atoms);
  void run_layer(int layer, Pass pass, const NativeAtoms &atoms, const Complete &complete);
  void send(int layer, const mlpot_communicator &comm);
  void collect(int n_atoms, const mlpot_communicator &comm);
  void exchange(void (*call)(void *, const mlpot_rows *), void *context, N *values);
  N *clear_adjoints(int thread, int n_atoms);
};

}    // namespace mlpot

#endif
