/* SPDX-License-Identifier: MIT

   The engine in one precision: what is kept between the passes over the layers, the threads, and the
   sums over them.

   Each thread takes a contiguous part of the centres and adds to arrays of its own; the first one to
   those of the result. Nothing is shared while they run, so there are no atomic operations, and the
   sums are the same in every run. */

#ifndef MLPOT_EVALUATOR_H
#define MLPOT_EVALUATOR_H

#include "native_engine.h"
#include "tables.h"
#include "thread_pool.h"
#include "workspace.h"

#include <vector>

namespace mlpot {

template <typename T> class LayerEvaluator : public Evaluator {
 public:
  LayerEvaluator(Parameters parameters, int n_threads);

  void compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double bytes() const override;

 private:
  const Kernels &kernels;
  Tables<T> tables;
  ThreadPool pool;
  std::vector<WorkspaceMemory<T>> workspaces;    // [thread]

  /* Sums of a thread; arrays of its own for all threads but the first. */
  struct ThreadSums {
    Sums sums;
    AlignedArray<double> forces, atomic_virials, centroid_virials;
  };
  std::vector<ThreadSums> thread_sums;

  AlignedArray<T> messages[MAX_LAYERS];             // [layer]: what it sent, [atom][width]
  std::vector<AlignedArray<T>> message_adjoints;    // [thread]: [atom][width]
  AlignedArray<T> arrived;                          // the sum of these for the layer before
  AlignedArray<T> hidden;                           // [centre][hidden width]
  AlignedArray<double> exchanged;                   // [atom][width of the model], unpadded

  void prepare(const NativeAtoms &atoms);
  void start_sums(int n_atoms, const mlpot_result &result);
  void run(int layer, Pass pass, const NativeAtoms &atoms);
  void add_up(int n_atoms, mlpot_result &result);
  void stop_on_failure(mlpot_result &result) const;
  void send(int layer, int n_atoms, const mlpot_communicator &comm);
  void collect(int n_atoms, const mlpot_communicator &comm);
  void to_host(const T *rows, int n_atoms);
  void from_host(int n_atoms, T *rows);
  int host_width() const;
  T *clear_adjoints(int thread, int n_atoms);
};

}    // namespace mlpot

#endif
