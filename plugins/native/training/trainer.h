/* SPDX-License-Identifier: MIT

   Energies and edge gradients of a model whose tables change from step to step, and the gradient of a loss
   with respect to the tables; see training_kernel.cpp. */

#ifndef MLPOT_TRAINER_H
#define MLPOT_TRAINER_H

#include "model/parameters.h"
#include "native_engine.h"
#include "threads/thread_pool.h"

#include <memory>
#include <string>
#include <vector>

namespace mlpot {

class Trainer {
 public:
  virtual ~Trainer() = default;

  /* Sizes of the arrays of folded.h, which are float in mixed precision, else double. */
  virtual std::vector<std::size_t> array_sizes() const = 0;

  /* Matrix from the coupling weights of a layer to the values of its polynomial, [node][coupling], with the
     couplings of all blocks one after the other. */
  virtual std::vector<double> polynomial_coefficients(int layer) const = 0;
  virtual std::size_t n_couplings(int layer) const = 0;

  /* Elements of the next calls, as many as those that it was made for: energies in eV; charge and radius of the ZBL
     repulsion, empty without it. Throws std::runtime_error. */
  virtual void set_elements(const Numbers &reference_energies, const Numbers &charge,
                            const Numbers &radius) = 0;

  /* Tables of the next calls. */
  virtual void fill(const std::vector<const void *> &arrays) = 0;

  /* Atomic energies, and dE/dr_ij into atoms.edge_gradients. Throws std::runtime_error. */
  virtual void evaluate(const NativeAtoms &atoms, mlpot_result &result) = 0;

  /* Gradient of a loss with respect to the arrays, from its derivatives with respect to the energies
     (`energy_seeds`, [atom]) and to the edge gradients (atoms.edge_tangents). */
  virtual void differentiate(const NativeAtoms &atoms, const double *energy_seeds,
                             const std::vector<void *> &gradients) = 0;
};

/* precision: mixed or double. Trainers that share threads compute one at a time. */
std::unique_ptr<Trainer> make_trainer(Parameters parameters, const std::string &precision,
                                      ThreadPool &pool);

}    // namespace mlpot

#endif
