/* SPDX-License-Identifier: MIT

   All layers of a model, or of the members of a deep committee, forward, then all of them back, in numbers N:
   reals or duals. What is kept between them, and the threads.

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
  using Models = std::vector<const ModelTables<Real<N>> *>;
  /* `sent_channels`: of the messages, without padding. `committee`: all members side by side, or null. */
  Passes(Models members, const ModelTables<Real<N>> *committee, int sent_channels, ThreadPool &pool,
         Kernel kernel);

  /* What is wanted besides energies and forces. */
  struct Wishes {
    bool deviation_forces, descriptors;
  };
  /* `complete` adds to the task of each thread where its results go. */
  using Complete = std::function<void(int thread, Task<N> &)>;
  void run(const NativeAtoms &atoms, const mlpot_communicator &comm, const Wishes &wishes,
           const Complete &complete);

  /* Padded row of the descriptors of a centre, after a run that they were wished of. */
  const N *descriptors_of(int k) const
  {
    return descriptors.data() + static_cast<std::size_t>(k) * model.descriptor_width;
  }

  int deviations() const { return n_deviations; }
  double bytes() const;

 private:
  const Models members;
  const ModelTables<Real<N>> &model;    // the first
  const ModelTables<Real<N>> *const committee;
  const int sent_channels, n_deviations;
  ThreadPool &pool;
  Kernel kernel;
  int lanes;
  std::vector<WorkspaceMemory<N>> workspaces;    // [thread]

  /* Adjoints of messages: each thread adds to its own, the first of which becomes the sum of all; what
     arrived at a layer, which needs the others for the messages of the layer before. */
  struct Adjoints {
    std::vector<AlignedArray<N>> of_thread;    // [deviation][atom][width]
    AlignedArray<N> between;                   // for layers that have both
    const N *arrived = nullptr;

    N *clear(int thread, std::size_t size);
    void add_up(std::size_t size);
    void arrive(int layer);
    std::size_t bytes() const;
  };

  // [layer]: what it made and what it sent, faded, [atom][member][width]
  AlignedArray<N> messages[MAX_LAYERS], sent[MAX_LAYERS];
  Adjoints adjoints, deviation_adjoints;
  AlignedArray<N> hidden, deviation_hidden;    // [centre][member or deviation][hidden width]
  AlignedArray<N> descriptors;                 // [centre][descriptor]

  bool has_deviation_adjoints(const Wishes &wishes) const;
  int message_stride() const { return static_cast<int>(members.size()) * model.message_width(); }
  void prepare(const mlpot_atoms &atoms, const Wishes &wishes);
  void run_layer(int layer, Pass pass, const NativeAtoms &atoms, const Wishes &wishes,
                 const Complete &complete);
  Task<N> make_task(int layer, Pass pass, const NativeAtoms &atoms) const;
  void give_messages(Task<N> &task, int thread, int n_atoms);
  void give_deviations(Task<N> &task, int thread, int n_atoms);
  void send(int layer, const mlpot_communicator &comm);
  void collect(int n_atoms, const mlpot_communicator &comm, const Wishes &wishes);
  void exchange(void (*call)(void *, const mlpot_rows *), void *context, N *values);
};

}    // namespace mlpot

#endif
