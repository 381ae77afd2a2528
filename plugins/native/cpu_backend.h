/* SPDX-License-Identifier: MIT

   The layers of a model, or of the members of a deep committee, on the threads of a pool, in numbers N (reals or
   duals). Owns the arrays that are kept between layers.

   Each thread computes a contiguous range of centers and adds to arrays of its own. Threads share nothing that they
   write to, so there are no atomic operations, and sums are the same in every run. */

#ifndef MLPOT_CPU_BACKEND_H
#define MLPOT_CPU_BACKEND_H

#include "kernels/vector_widths.h"
#include "kernels/workspace.h"
#include "model/tables.h"
#include "native_engine.h"
#include "schedule.h"
#include "threads/thread_pool.h"
#include "threads/touched_atoms.h"

#include <functional>
#include <vector>

namespace mlpot {

template <typename N> class CpuBackend {
 public:
  using Kernel = void (*)(const Task<N> &);
  using Models = std::vector<const ModelTables<Real<N>> *>;
  /* `side_by_side`: all members as one model, or null. `message_channels`: without padding. */
  CpuBackend(Models members, const ModelTables<Real<N>> *side_by_side, int message_channels,
             VectorWidths widths, ThreadPool &pool, Kernel kernel);

  /* Results besides energies and forces. */
  struct Request {
    bool deviation_forces, descriptors;
  };
  /* `fill_task` sets the destinations of results in the task of each thread. */
  using FillTask = std::function<void(int thread, Task<N> &)>;
  void run(const NativeAtoms &atoms, const mlpot_communicator &comm, const Request &request,
           const FillTask &fill_task);

  /* Padded row of the descriptors of a center, after a run that requested them. */
  const N *descriptors_of(int k) const
  {
    return descriptors.data() + static_cast<std::size_t>(k) * model.descriptor_width;
  }

  int deviations() const { return n_deviations; }

  /* In the current or last run. */
  const TouchedAtoms &touched_atoms() const { return touched; }
  double bytes() const;

 private:
  const Models members;
  const ModelTables<Real<N>> &model;    // the first
  const ModelTables<Real<N>> *const side_by_side;
  const int message_channels, n_deviations;
  ThreadPool &pool;
  Kernel kernel;
  const int lanes;
  std::vector<WorkspaceMemory<N>> workspaces;    // [thread]

  TouchedAtoms touched;
  std::vector<std::vector<int>> orders;    // [thread]

  /* Adjoints of messages. Each thread adds to its own array; the first of these becomes the sum. `arrived` is that
     sum for the current layer, kept apart while the threads add the adjoints of the layer before. */
  struct Adjoints {
    std::vector<AlignedArray<N>> of_thread;    // [deviation][atom][width]
    AlignedArray<N> between;                   // the sum, for layers that also add adjoints
    const N *arrived = nullptr;

    N *clear(int thread, int n_deviations, int n_atoms, int width, const TouchedAtoms &touched);
    void add_up(ThreadPool &pool, int n_deviations, int n_atoms, int width,
                const TouchedAtoms &touched);
    void arrive(int layer);
    std::size_t bytes() const;
  };

  // of each layer: [atom][member][width], before and after damping
  AlignedArray<N> messages[MAX_LAYERS], damped_messages[MAX_LAYERS];
  Adjoints adjoints, deviation_adjoints;
  AlignedArray<N> hidden, deviation_hidden;    // [center][member or deviation][hidden width]
  AlignedArray<N> descriptors;                 // [center][descriptor]

  bool has_deviation_adjoints(const Request &request) const;
  int message_stride() const { return static_cast<int>(members.size()) * model.message_width(); }
  class Evaluation;

  void prepare(const mlpot_atoms &atoms, const Request &request);
  void run_layer(int layer, Pass pass, const NativeAtoms &atoms, const Request &request,
                 const FillTask &fill_task);
  Task<N> make_task(int layer, Pass pass, const NativeAtoms &atoms) const;
  void set_messages(Task<N> &task, int thread, int n_atoms);
  void set_deviations(Task<N> &task, int thread, int n_atoms);
  mlpot_rows rows_of(N *values) const;
  std::vector<mlpot_rows> add_up_adjoints(int n_atoms, const Request &request);
};

}    // namespace mlpot

#endif
