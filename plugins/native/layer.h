/* SPDX-License-Identifier: MIT

   What the kernels of simulation and of training share: from the edges of a centre to its contracted
   density, and from there to hidden values and messages, and back. */

#ifndef MLPOT_LAYER_H
#define MLPOT_LAYER_H

#include "contraction.h"
#include "edges.h"
#include "message_density.h"
#include "message_fading.h"
#include "product.h"
#include "subnormals.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Reals as numbers. */
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

  /* The weights of the element of the centre. */
  template <typename N> inline void take_weights(Task<N> &task, int center)
  {
    task.weights = task.model->layers[task.layer].elements + species_of(task, center);
  }

  template <typename N> inline N *hidden_of(const Task<N> &task, int k)
  {
    return task.hidden ? task.hidden + static_cast<std::size_t>(k) * task.hidden_stride
                       : task.workspace->hidden;
  }

  /* Needs the sums over the neighbours in the first layer. */
  template <typename N> void mix_density(const Task<N> &task, const Edges &edges)
  {
    if (task.layer == 0)
      mix_species(task, edges);
    else
      message_density(task, edges);
  }

  /* What the contracted density, as it is heard, gives: hidden values and messages. */
  template <typename N> void send(const Task<N> &task, int center, const N *contracted, N *hidden)
  {
    using T = Real<N>;
    const auto &model = *task.model;
    const auto &weights = *task.weights;
    const int channels = model.n_channels, width = model.message_channels;
    const auto multiply = task.layer == 0 ? product<N, false, T> : product<N, true, T>;
    multiply(1, channels, model.hidden_width, {contracted, channels, 1}, weights.to_hidden,
             model.hidden_width, hidden, model.hidden_width);
    if (!task.messages_out) return;
    N *messages = task.messages + message_row(task, center);
    N *sent = task.messages_out + message_row(task, center);
    for (int c = 0; c < width; c += Simd<N>::LANES)
      store_reals(messages + c, load(weights.message_embedding + c));
    for (int l = 0; l < model.n_message_degrees; l++) {
      const int rows = 2 * l + 1;
      const auto multiply_rows = l == 0 ? product<N, true, T> : product<N, false, T>;
      multiply_rows(rows, channels, width, {contracted + l * l * channels, channels, 1},
                    weights.message[l], width, messages + l * l * width, width);
      fade(rows, width, messages + l * l * width, sent + l * l * width);
    }
  }

  /* Adjoint of the message of a centre before it faded, from that of what was sent. */
  template <typename N>
  inline void find_message_adjoint(const Task<N> &task, int center, const N *adjoints_out,
                                   N *adjoint)
  {
    const auto &model = *task.model;
    const int width = model.message_channels;
    const std::size_t row = message_row(task, center);
    const N *messages = task.messages + row, *of_sent = adjoints_out + row;
    for (int l = 0; l < model.n_message_degrees; l++) {
      const int first = l * l * width;
      fade_adjoint(2 * l + 1, width, messages + first, of_sent + first, adjoint + first);
    }
  }

  /* Completes contracted_adjoint, which holds that of the energy, by the derivatives with respect to
     hidden values and messages; the latter stay in message_adjoint. */
  template <typename N> void receive(const Task<N> &task, int center, const N *hidden)
  {
    const auto &model = *task.model;
    const auto &weights = *task.weights;
    const int channels = model.n_channels, width = model.message_channels;
    N *adjoint = task.workspace->contracted_adjoint;
    product<N, true>(1, model.hidden_width, channels, {hidden, model.hidden_width, 1},
                     weights.to_hidden_t, channels, adjoint, channels);
    if (!task.adjoints_out) return;
    N *messages = task.workspace->message_adjoint;
    find_message_adjoint(task, center, task.adjoints_out, messages);
    for (int l = 0; l < model.n_message_degrees; l++) {
      const auto multiply_rows = l == 0 ? product<N, true, Real<N>> : product<N, false, Real<N>>;
      multiply_rows(2 * l + 1, width, channels, {messages + l * l * width, width, 1},
                    weights.message_t[l], channels, adjoint + l * l * channels, channels);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
