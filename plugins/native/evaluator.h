/* SPDX-License-Identifier: MIT

   The engine in one precision: the tables of a model or of the members of a deep committee, their layers on
   threads, and the sums over these. */

#ifndef MLPOT_EVALUATOR_H
#define MLPOT_EVALUATOR_H

#include "cpu_backend.h"
#include "model/committee_tables.h"
#include "model/member_tables.h"
#include "native_engine.h"
#include "threads/thread_sums.h"

#include <memory>
#include <vector>

namespace mlpot {

template <typename T> class ModelEvaluator : public Evaluator {
 public:
  /* Members as returned by read_members. */
  ModelEvaluator(std::vector<Parameters> members, int n_threads);

  void compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double bytes() const override;
  int n_descriptors() const override;
  int n_threads() const override { return pool.n_threads(); }

 private:
  std::vector<std::unique_ptr<Tables<T>>> tables;    // [member]
  MemberTables<T> member_tables;
  std::unique_ptr<CommitteeTables<T>> committee;    // deep ones with one layer
  ThreadPool pool;
  CpuBackend<T> backend;
  ThreadSums sums;

  typename CpuBackend<T>::Models models() const;
  void copy_descriptors(const mlpot_atoms &atoms, double *descriptors) const;
};

}    // namespace mlpot

#endif
