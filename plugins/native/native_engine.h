/* SPDX-License-Identifier: MIT

   Evaluates a model without libtorch: all layers forward, then all layers back, each over the atoms one
   at a time, with the messages of the atoms exchanged in between. The last layer goes both ways at once. */

#ifndef MLPOT_NATIVE_ENGINE_H
#define MLPOT_NATIVE_ENGINE_H

#include "engine.h"
#include "kernel.h"
#include "manifest.h"

#include <memory>
#include <string>

namespace mlpot {

/* Candidates for neighbours with offsets, for hosts without copies of the atoms. */
struct NativeAtoms {
  mlpot_atoms atoms;
  const double *const *offsets;          // as in Neighborhood; may be null
  const int *const *images;              // the same
  const double *const *edge_tangents;    // training: the same, see trainer.h
  double *const *edge_gradients;
  double *descriptors = nullptr;    // [atom][descriptor]; may be null
};

/* An engine in one precision. */
class Evaluator {
 public:
  virtual ~Evaluator() = default;
  /* Throws std::runtime_error and sets result.failed_atom when a value is not finite. A communicator
     without functions: all atoms are here. */
  virtual void compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
                       mlpot_result &result) = 0;
  virtual double bytes() const = 0;
  virtual int n_descriptors() const = 0;
};

class NativeEngine : public Engine {
 public:
  NativeEngine(const mlpot_settings &settings, const ModelFile &file);

  mlpot_description describe() const override;
  const Manifest &manifest() const override { return said; }
  void compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
               mlpot_result &result) override;
  double memory_usage() const override { return evaluator->bytes(); }
  int n_descriptors() const { return evaluator->n_descriptors(); }

  /* All atoms are here, none is a copy. */
  void compute_alone(const NativeAtoms &atoms, mlpot_result &result);

 private:
  Manifest said;    // of the file, by itself
  std::string name, precision;
  std::unique_ptr<Evaluator> evaluator;

  void load(const ModelFile &file, int n_threads);
  void refuse(const mlpot_result &result) const;
};

}    // namespace mlpot

#endif
