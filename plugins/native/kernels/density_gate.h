/* SPDX-License-Identifier: MIT

   Density gate: switches off later layers for atoms whose density is far above that of the training set. With q
   the mean square of the atomic basis A, and Q the limit of this element (mlpot/training/max_density.py), the
   product basis B is passed on as f B, where

       f = 1 - b^4 (35 - 84 b + 70 b^2 - 20 b^3),    b = log(q / Q) / log(4), between 0 and 1:

   1 up to Q, 0 beyond 4 Q. With R the adjoint of f B, the adjoint of B is f R, and that of A increases by
   (B.R) df/dA. The first layer's own contribution to the energy, own.B, is not gated: R excludes `own`. In training
   the gate is 1. */

#ifndef MLPOT_DENSITY_GATE_H
#define MLPOT_DENSITY_GATE_H

#include "kernels/kernel.h"
#include "kernels/simd.h"

#include <cmath>
#include <cstddef>

namespace mlpot {
namespace MLPOT_ISA {

  template <typename T> inline double dot(int n, const T *a, const T *b)
  {
    Vector<T> total = {};
    for (int k = 0; k < n; k += Simd<T>::LANES) total += load(a + k) * load(b + k);
    return static_cast<double>(sum<T>(total));
  }

  /* From the atomic basis; models with one layer have no gate. */
  template <typename T> DensityGate evaluate_gate(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    if (model.n_layers == 1) return {1.0, 0.0};
    const T *atomic_basis = task.workspace->atomic_basis;
    const double square = dot(model.n_harmonics() * model.n_channels, atomic_basis, atomic_basis);
    const double excess = square / task.weights->gate_threshold, log_4 = std::log(4.0);
    if (excess <= 1.0) return {1.0, 0.0};
    if (excess >= 4.0) return {0.0, 0.0};
    const double b = std::log(excess) / log_4, rest = b * (1.0 - b);
    return {1.0 - b * b * b * b * (35.0 - b * (84.0 - b * (70.0 - 20.0 * b))),
            -280.0 * rest * rest * rest / (log_4 * square)};
  }

  /* out = f values; exact zeros for f = 0, even where values are not finite. */
  template <typename T>
  inline void apply_gate(const DensityGate &gate, std::size_t n, const T *values, T *out)
  {
    const T factor = static_cast<T>(gate.factor);
    for (std::size_t k = 0; k < n; k++) out[k] = gate.factor == 0.0 ? T(0) : factor * values[k];
  }

  /* B.R from f B and R. */
  template <typename T>
  inline double ungated_product(const DensityGate &gate, int n, const T *gated, const T *adjoint)
  {
    return gate.factor == 0.0 ? 0.0 : dot(n, gated, adjoint) / gate.factor;
  }

  /* Adds (B.R) df/dA to the adjoint of the atomic basis. */
  template <typename T>
  inline void add_gate_adjoint(const Task<T> &task, const DensityGate &gate, double product)
  {
    const ModelTables<T> &model = *task.model;
    const T weight = static_cast<T>(gate.derivative * product);
    for (int k = 0; k < model.n_harmonics() * model.n_channels; k++)
      task.workspace->atomic_basis_adjoint[k] += weight * task.workspace->atomic_basis[k];
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
