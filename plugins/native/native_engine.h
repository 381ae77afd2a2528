/* SPDX-License-Identifier: MIT

   The native engine: evaluates a model file without libtorch. All layers forward, then all layers back, each over
   the atoms one at a time, with messages exchanged in between; the last layer goes both ways at once. */

#ifndef MLPOT_NATIVE_ENGINE_H
#define MLPOT_NATIVE_ENGINE_H

#include "engine.h"
#include "kernels/kernel.h"
#include "manifest.h"
#include "neighbors/strided_list.h"

#include <memory>
#include <string>

namespace mlpot {

/* Atoms and their neighbor lists, with offsets for hosts without ghost atoms. Arrays may be null. */
struct NativeAtoms {
  mlpot_atoms atoms;
  const double *const *offsets;          // as in Neighborhood
  const int *const *images;              // the same
  const double *const *edge_tangents;    // the same; training
  double *const *edge_gradients;
  double *descriptors = nullptr;    // [atom][descriptor]
};

/* The engine in one precision. */
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /* Throws std::runtime_error and sets result.failed_atom when a value is not finite. Without
     ghost atoms the communicator has null functions. */
  virtual void compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
                       mlpot_result &result) = 0;
  virtual double bytes() const = 0;
  virtual int n_descriptors() const = 0;
  virtual int n_threads() const = 0;    // that could be created
};

class NativeEngine : public Engine {
 public:
  NativeEngine(const mlpot_settings &settings, const ModelFile &file);

  mlpot_description describe() const override;
  const Manifest &manifest() const override { return file_manifest; }
  void compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double memory_usage() const override { return evaluator->bytes() + strided_list.bytes(); }
  int n_descriptors() const { return evaluator->n_descriptors(); }

  /* Without ghost atoms. */
  void compute_alone(const NativeAtoms &atoms, mlpot_result &result);

 private:
  Manifest file_manifest;
  std::string name, precision;
  std::unique_ptr<Evaluator> evaluator;
  StridedList strided_list;

  void load(const ModelFile &file, int n_threads);
  void refuse(const mlpot_result &result) const;
};

}    // namespace mlpot

#endif
