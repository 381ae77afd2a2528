/* SPDX-License-Identifier: MIT

   How far later layers hear an atom. With q the mean square of its mixed density A, and Q the largest of its
   element in the training set, all that is passed on from its contracted density B is f B, where

       f = 1 - b^4 (35 - 84 b + 70 b^2 - 20 b^3),    b = log(q / Q) / log(4), between 0 and 1:

   1 up to Q, 0 beyond 4 Q. With R the adjoint of f B, that of B is f R, and A gets (B.R) df/dA more. What the
   first layer adds to the energy itself, own.B, is not part of it: it has R = later + ..., where later = total - own,
   and own.B besides. In training every atom is heard in full. */

#ifndef MLPOT_FAMILIARITY_H
#define MLPOT_FAMILIARITY_H

#include "kernel.h"
#include "simd.h"

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

  /* From the mixed density; single layers pass nothing on. */
  template <typename T> Familiarity find_familiarity(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    if (model.n_layers == 1) return {1.0, 0.0};
    const T *mixed = task.workspace->mixed;
    const double square = dot(model.n_harmonics() * model.n_channels, mixed, mixed);
    const double ratio = square / task.weights->largest_square, log_4 = std::log(4.0);
    if (ratio <= 1.0) return {1.0, 0.0};
    if (ratio >= 4.0) return {0.0, 0.0};
    const double b = std::log(ratio) / log_4, rest = b * (1.0 - b);
    return {1.0 - b * b * b * b * (35.0 - b * (84.0 - b * (70.0 - 20.0 * b))),
            -280.0 * rest * rest * rest / (log_4 * square)};
  }

  /* f values; zeros where nothing is heard, whatever the values are. */
  template <typename T>
  inline void hear(const Familiarity &known, std::size_t n, const T *values, T *out)
  {
    const T factor = static_cast<T>(known.factor);
    for (std::size_t k = 0; k < n; k++) out[k] = known.factor == 0.0 ? T(0) : factor * values[k];
  }

  /* B.R from f B and R. */
  template <typename T>
  inline double unfaded_product(const Familiarity &known, int n, const T *faded, const T *adjoint)
  {
    return known.factor == 0.0 ? 0.0 : dot(n, faded, adjoint) / known.factor;
  }

  /* Adds what the mixed density gets by way of f. */
  template <typename T>
  inline void add_adjoint_of_familiarity(const Task<T> &task, const Familiarity &known,
                                         double along)
  {
    const ModelTables<T> &model = *task.model;
    const T weight = static_cast<T>(known.slope * along);
    for (int k = 0; k < model.n_harmonics() * model.n_channels; k++)
      task.workspace->mixed_adjoint[k] += weight * task.workspace->mixed[k];
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
