/* SPDX-License-Identifier: MIT

   Energies and slopes of a model whose tables change from step to step, and the gradient of a loss with
   respect to the tables; see training_kernel.cpp. */

#ifndef MLPOT_TRAINER_H
#define MLPOT_TRAINER_H

#include "native_engine.h"
#include "parameters.h"

#include <memory>
#include <string>
#include <vector>

namespace mlpot {

class Trainer {
 public:
  virtual ~Trainer() = default;

  /* The arrays of folded.h, of float or double as the precision says, and their sizes. */
  virtual std::vector<std::size_t> array_sizes() const = 0;

  /* What turns the coupling weights of a layer into values of its polynomial, [node][coupling]; the
     couplings of all blocks one after the other. */
  virtual std::vector<double> polynomial_coefficients(int layer) const = 0;
  virtual std::size_t n_couplings(int layer) const = 0;

  /* Atomic energies, and dE/dr_ij where atoms.edge_gradients says. Throws std::runtime_error. */
  virtual void evaluate(const std::vector<const void *> &arrays, const NativeAtoms &atoms,
                        mlpot_result &result) = 0;

  /* The gradient with respect to the arrays of a loss whose derivatives are `energy_seeds` [atom] with
     respect to the energies and atoms.edge_tangents with respect to the slopes. */
  virtual void differentiate(const std::vector<const void *> &arrays, const NativeAtoms &atoms,
                             const double *energy_seeds, const std::vector<void *> &gradients) = 0;
};

/* Precision mixed or double. */
std::unique_ptr<Trainer> make_trainer(Parameters parameters, const std::string &precision,
                                      int n_threads);

}    // namespace mlpot

#endif
