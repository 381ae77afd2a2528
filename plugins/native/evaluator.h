/* SPDX-License-Identifier: MIT

   The engine in one precision: the tables of a model, the passes over its layers, and the sums over
   threads. The first thread adds to the arrays of the result, the others to arrays of their own. */

#ifndef MLPOT_EVALUATOR_H
#define MLPOT_EVALUATOR_H

#include "native_engine.h"
#include "passes.h"
#include "thread_sums.h"

namespace mlpot {

template <typename T> class ModelEvaluator : public Evaluator {
 public:
  ModelEvaluator(Parameters parameters, int n_threads);

  void compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double bytes() const override;

 private:
  Tables<T> tables;
  ThreadPool pool;
  Passes<T> passes;
  ThreadSums sums;
};

}    // namespace mlpot

#endif
