/* SPDX-License-Identifier: MIT

   Shared by the kernels of simulation and of training: from the edges of a center to its atomic basis,
   and from its product basis to hidden values and messages, and back. */

#ifndef MLPOT_LAYER_H
#define MLPOT_LAYER_H

#include "kernels/edges.h"
#include "kernels/matrix_product.h"
#include "kernels/message_damping.h"
#include "kernels/message_density.h"
#include "kernels/product_basis.h"
#include "kernels/subnormals.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Stores reals in an array of numbers. */
  template <typename T> inline void store_reals(T *place, const Vector<T> &values)
  {
    store<T>(place, values);
  }
  template <typename T> inline void store_reals(Dual<T> *place, const Vector<T> &values)
  {
    store<T>(place, DualVector<T>{values, Vector<T>{}});
  }

  template <typename N> inline int species_of(const Task<N> &task, int center)
  {
    return task.neighborhood.species[center];
  }

  template <typename N> inline bool is_deep(const Task<N> &task)
  {
    return task.ensemble.n_members > 1;
  }

  /* Selects the weights of the element of the center. */
  template <typename N> inline void set_weights(Task<N> &task, int center)
  {
    task.weights = task.model->layers[task.layer].elements + species_of(task, center);
  }

  template <typename N> inline N *hidden_of(const Task<N> &task, int k)
  {
    return task.state.hidden
        ? task.state.hidden + static_cast<std::size_t>(k) * task.state.hidden_stride
        : task.workspace->hidden;
  }

  /* In the first layer from the sums over the neighbors. */
  template <typename N> void compute_atomic_basis(const Task<N> &task, const Edges &edges)
  {
    if (task.layer == 0)
      mix_species(task, edges);
    else
      message_density(task, edges);
  }

  /* Hidden values and messages from the gated product basis. */
  template <typename N>
  void layer_outputs(const Task<N> &task, int center, const N *basis, N *hidden)
  {
    using T = Real<N>;
    const auto &model = *task.model;
    const auto &weights = *task.weights;
    const int channels = model.n_channels, width = model.message_channels;
    const auto multiply = task.layer == 0 ? product<N, false, T> : product<N, true, T>;
    multiply(1, channels, model.hidden_width, {basis, channels, 1}, weights.to_hidden,
             model.hidden_width, hidden, model.hidden_width);
    if (!task.state.damped_messages) return;
    N *messages = task.state.messages + message_row(task, center);
    N *damped = task.state.damped_messages + message_row(task, center);
    for (int c = 0; c < width; c += Simd<N>::LANES)
      store_reals(messages + c, load(weights.message_embedding + c));
    for (int l = 0; l < model.n_message_degrees; l++) {
      const int rows = 2 * l + 1;
      const auto multiply_rows = l == 0 ? product<N, true, T> : product<N, false, T>;
      multiply_rows(rows, channels, width, {basis + l * l * channels, channels, 1},
                    weights.message[l], width, messages + l * l * width, width);
      damp(rows, width, messages + l * l * width, damped + l * l * width);
    }
  }

  /* Adjoint of the message of a center from that of the damped message. */
  template <typename N>
  inline void compute_message_adjoint(const Task<N> &task, int center, const N *adjoints_out,
                                      N *adjoint)
  {
    const auto &model = *task.model;
    const int width = model.message_channels;
    const std::size_t row = message_row(task, center);
    const N *messages = task.state.messages + row, *of_sent = adjoints_out + row;
    for (int l = 0; l < model.n_message_degrees; l++) {
      const int first = l * l * width;
      damp_adjoint(2 * l + 1, width, messages + first, of_sent + first, adjoint + first);
    }
  }

  /* Adds the contributions of hidden values and messages to product_basis_adjoint, which holds that of
     the energy. The adjoint of the messages stays in the workspace. */
  template <typename N> void layer_outputs_adjoint(const Task<N> &task, int center, const N *hidden)
  {
    const auto &model = *task.model;
    const auto &weights = *task.weights;
    const int channels = model.n_channels, width = model.message_channels;
    N *adjoint = task.workspace->product_basis_adjoint;
    product<N, true>(1, model.hidden_width, channels, {hidden, model.hidden_width, 1},
                     weights.to_hidden_t, channels, adjoint, channels);
    if (!task.state.adjoints_out) return;
    N *messages = task.workspace->messages.adjoint;
    compute_message_adjoint(task, center, task.state.adjoints_out, messages);
    for (int l = 0; l < model.n_message_degrees; l++) {
      const auto multiply_rows = l == 0 ? product<N, true, Real<N>> : product<N, false, Real<N>>;
      multiply_rows(2 * l + 1, width, channels, {messages + l * l * width, width, 1},
                    weights.message_t[l], channels, adjoint + l * l * channels, channels);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
