/* SPDX-License-Identifier: MIT

   Later layers: density of the messages of the neighbors, coupled by Clebsch-Gordan coefficients and mixed into
   the atomic basis, and the adjoint: from the edges to `atomic_basis`, and from `atomic_basis_adjoint` to the
   adjoints of messages, harmonics and distances. */

#ifndef MLPOT_MESSAGE_DENSITY_H
#define MLPOT_MESSAGE_DENSITY_H

#include "kernels/density.h"
#include "kernels/lanes.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Row of an atom in an array of messages. */
  template <typename N> inline std::size_t message_row(const Task<N> &task, int atom)
  {
    return static_cast<std::size_t>(atom) * task.state.message_stride;
  }

  /* Columns of the radial functions of one degree of the edge: one for each degree of the message. */
  template <typename T> inline int pair_width(const ModelTables<T> &model)
  {
    return model.n_message_degrees * model.message_channels;
  }

  template <typename N>
  inline void message_radials(const ModelTables<Real<N>> &model, const LayerTables<Real<N>> &layer,
                              int l1, int n_edges, const N *rows, N *out)
  {
    const int width = pair_width(model);
    product<N>(n_edges, model.n_radial, width, {rows, model.radial_width, 1},
               layer.radial + l1 * model.n_radial * width, width, out, width);
  }

  /* out[row] += value in[column] for all Clebsch-Gordan coefficients, or with rows and columns exchanged */
  template <typename N>
  inline void couple(const LayerTables<Real<N>> &layer, int channels, int row, const N *in, N *out)
  {
    for (int k = 0; k < layer.n_couplings; k++) {
      const N *from = in + layer.couplings[2 * k + 1 - row] * channels;
      N *to = out + layer.couplings[2 * k + row] * channels;
      for (int c = 0; c < channels; c += Simd<N>::LANES)
        store<Real<N>>(to + c, load(to + c) + layer.coupling_values[k] * load(from + c));
    }
  }

  template <typename T>
  inline int coupled_rows(const ModelTables<T> &model, const LayerTables<T> &layer)
  {
    int rows = 0;
    for (int L = 0; L <= model.lmax; L++) rows += (2 * L + 1) * layer.n_paths[L];
    return rows;
  }

  /* Column of the radial functions that goes with a column of the messages. */
  template <typename T> inline int pair_of(const ModelTables<T> &model, int x)
  {
    const int channels = model.message_channels;
    return x % channels + degree_of(x / channels) * channels;
  }

  /* Rows of ROWS harmonics times COLUMNS vectors of radial functions times messages, from column x on:
     the sums stay in registers, the products are made where they are needed. */
  template <typename N, int ROWS, int COLUMNS>
  inline void sum_messages(const Task<N> &task, int n_edges, const N *harmonics, const N *radial,
                           int x, N *out)
  {
    constexpr int LANES = Simd<N>::LANES;
    const auto &model = *task.model;
    const Workspace<N> &work = *task.workspace;
    int pair[COLUMNS];
    MLPOT_UNROLL
    for (int v = 0; v < COLUMNS; v++) pair[v] = pair_of(model, x + v * LANES);
    Vector<N> sums[ROWS][COLUMNS] = {};
    for (int e = 0; e < n_edges; e++) {
      const N *message = task.state.messages_in + message_row(task, work.index[e]) + x;
      const N *values = radial + e * pair_width(model);
      Vector<N> weighted[COLUMNS];
      MLPOT_UNROLL
      for (int v = 0; v < COLUMNS; v++)
        weighted[v] = load(values + pair[v]) * load(message + v * LANES);
      MLPOT_UNROLL
      for (int k = 0; k < ROWS * COLUMNS; k++) {
        const int m = k / COLUMNS, v = k % COLUMNS;
        multiply_add<Real<N>>(sums[m][v], at(harmonics, m * work.capacity + e), weighted[v]);
      }
    }
    MLPOT_UNROLL
    for (int k = 0; k < ROWS * COLUMNS; k++) {
      const int m = k / COLUMNS, v = k % COLUMNS;
      store<Real<N>>(out + m * model.message_width() + x + v * LANES, sums[m][v]);
    }
  }

  template <typename N, int ROWS>
  inline void sum_messages_of_degree(const Task<N> &task, int n_edges, const N *harmonics,
                                     const N *radial, N *out)
  {
    constexpr int LANES = Simd<N>::LANES, COLUMNS = (ROWS <= 3 ? 4 : 2) / (Simd<N>::DUAL ? 2 : 1);
    const int width = task.model->message_width();
    int x = 0;
    for (; x + COLUMNS * LANES <= width; x += COLUMNS * LANES)
      sum_messages<N, ROWS, COLUMNS>(task, n_edges, harmonics, radial, x, out);
    for (; x < width; x += LANES)
      sum_messages<N, ROWS, 1>(task, n_edges, harmonics, radial, x, out);
  }

  template <typename N> inline void message_density(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    Workspace<N> &work = *task.workspace;
    const int n = edges.n_edges, channels = model.message_channels;
    constexpr void (*SUMS[MAX_DEGREES])(const Task<N> &, int, const N *, const N *, N *) = {
        sum_messages_of_degree<N, 1>, sum_messages_of_degree<N, 3>, sum_messages_of_degree<N, 5>,
        sum_messages_of_degree<N, 7>, sum_messages_of_degree<N, 9>, sum_messages_of_degree<N, 11>,
        sum_messages_of_degree<N, 13>};
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      N *radial = work.messages.radial + l1 * work.capacity * pair_width(model);
      message_radials(model, layer, l1, n, work.radial_rows, radial);
      SUMS[l1](task, n, work.harmonics + l1 * l1 * work.capacity, radial,
               work.messages.density + l1 * l1 * model.message_width());
    }
    clear(work.messages.coupled, coupled_rows(model, layer) * channels);
    couple(layer, channels, 0, work.messages.density, work.messages.coupled);
    const N *coupled = work.messages.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * channels;
      product<N>(2 * L + 1, columns, model.n_channels, {coupled, columns, 1},
                 task.weights->path_mix[L], model.n_channels,
                 work.atomic_basis + L * L * model.n_channels, model.n_channels);
      coupled += (2 * L + 1) * columns;
    }
  }

  /* atomic_basis_adjoint -> adjoint of the density of messages, in place of the density */
  template <typename N>
  inline void couple_adjoint(const Task<N> &task, const N *atomic_basis_adjoint)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    Workspace<N> &work = *task.workspace;
    N *coupled = work.messages.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * model.message_channels;
      product<N>(2 * L + 1, model.n_channels, columns,
                 {atomic_basis_adjoint + L * L * model.n_channels, model.n_channels, 1},
                 task.weights->path_mix_t[L], columns, coupled, columns);
      coupled += (2 * L + 1) * columns;
    }
    clear(work.messages.density, model.n_harmonics() * model.message_width());
    couple(layer, model.message_channels, 1, work.messages.coupled, work.messages.density);
  }

  /* Derivatives of the radial functions of all messages. */
  template <typename T>
  inline void message_radial_derivatives(const Task<T> &task, const Edges &edges)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int n = edges.n_edges;
    transpose_array(model.n_radial, n, work.radial_derivative, work.capacity,
                    work.radial_derivative_rows, model.radial_width);
    for (int l1 = 0; l1 <= model.lmax; l1++)
      message_radials(model, model.layers[task.layer], l1, n, work.radial_derivative_rows,
                      work.messages.radial_derivative + l1 * work.capacity * pair_width(model));
  }

  /* Rearranges COUNT components of the adjoint of the density from COMPONENT on, [lm][component, channel], into
     [vector of channels][lm][component], so that the sums over edges read it at fixed distances. */
  template <typename T, int COMPONENT, int COUNT>
  inline void arrange_components(const ModelTables<T> &model, const Workspace<T> &work)
  {
    constexpr int LANES = Simd<T>::LANES;
    const int channels = model.message_channels, width = model.message_width();
    const int n_harmonics = model.n_harmonics();
    const T *from = work.messages.density + COMPONENT * channels;
    T *to = work.messages.arranged + COMPONENT * n_harmonics * channels;
    for (int c = 0; c < channels; c += LANES)
      for (int lm = 0; lm < n_harmonics; lm++)
        for (int v = 0; v < COUNT; v++, to += LANES)
          store<T>(to, load(from + lm * width + v * channels + c));
  }

  /* Contributions of COUNT components of the message of an edge, from COMPONENT on, and of the degrees FIRST to LAST
     of its harmonics to the adjoints of the message (added), the harmonics and the distance. The adjoint of the
     density and the harmonics are read once for all components and uses. */
  template <typename T, int FIRST, int LAST, int COMPONENT, int COUNT>
  inline void edge_of_messages_adjoint(const Task<T> &task, int e, T *adjoints_in,
                                       const EdgeAdjoint<T> &out)
  {
    constexpr int LANES = Simd<T>::LANES;
    constexpr int BEFORE = FIRST * FIRST, HARMONICS = (LAST + 1) * (LAST + 1) - BEFORE;
    const ModelTables<T> &model = *task.model;
    const Workspace<T> &work = *task.workspace;
    const int channels = model.message_channels, pairs = pair_width(model);
    const std::size_t row = message_row(task, work.index[e]) + COMPONENT * channels;
    const T *message = task.state.messages_in + row;
    T *message_adjoint = adjoints_in + row;
    const int n_harmonics = model.n_harmonics();
    const T *adjoint =
        work.messages.arranged + COMPONENT * n_harmonics * channels + BEFORE * COUNT * LANES;
    T harmonics[HARMONICS];
    MLPOT_UNROLL
    for (int k = 0; k < HARMONICS; k++)
      harmonics[k] = work.harmonics[(BEFORE + k) * work.capacity + e];
    Vector<T> totals[HARMONICS + 1] = {};    // of the harmonics and the distance
    for (int c = 0; c < channels; c += LANES, adjoint += n_harmonics * COUNT * LANES) {
      Vector<T> values[COUNT], sums[COUNT] = {};
      MLPOT_UNROLL
      for (int v = 0; v < COUNT; v++) values[v] = load(message + v * channels + c);
      MLPOT_UNROLL
      for (int l = FIRST; l <= LAST; l++) {
        const int place = (l * work.capacity + e) * pairs + c;
        const T *radial = work.messages.radial + place;
        const T *radial_derivative = work.messages.radial_derivative + place;
        Vector<T> weighted[COUNT], weighted_adjoint[COUNT] = {};
        MLPOT_UNROLL
        for (int v = 0; v < COUNT; v++)
          weighted[v] = load(radial + degree_of(COMPONENT + v) * channels) * values[v];
        MLPOT_UNROLL
        for (int k = l * l - BEFORE; k < (l + 1) * (l + 1) - BEFORE; k++) {
          MLPOT_UNROLL
          for (int v = 0; v < COUNT; v++) {
            const Vector<T> factor = load(adjoint + (k * COUNT + v) * LANES);
            weighted_adjoint[v] += harmonics[k] * factor;
            totals[k] += weighted[v] * factor;
          }
        }
        MLPOT_UNROLL
        for (int v = 0; v < COUNT; v++) {
          const int degree = degree_of(COMPONENT + v) * channels;
          sums[v] += weighted_adjoint[v] * load(radial + degree);
          totals[HARMONICS] += weighted_adjoint[v] * values[v] * load(radial_derivative + degree);
        }
      }
      MLPOT_UNROLL
      for (int v = 0; v < COUNT; v++) {
        T *sum = message_adjoint + v * channels + c;
        store<T>(sum, load(sum) + sums[v]);
      }
    }
    alignas(Vector<T>) T sums[HARMONICS + LANES];
    sum_lanes<T, HARMONICS + 1>(totals, sums);
    MLPOT_UNROLL
    for (int k = 0; k < HARMONICS; k++) {
      T &total = out.harmonics[(BEFORE + k) * work.capacity + e];
      total = COMPONENT > 0 ? total + sums[k] : sums[k];
    }
    out.distance[e] = (FIRST > 0 || COMPONENT > 0 ? out.distance[e] : T(0)) + sums[HARMONICS];
  }

  /* Of all edges, in ranges of degrees whose sums stay in the registers. */
  template <typename T, int FIRST, int LMAX, int COMPONENT, int COUNT>
  inline void edges_of_degrees_adjoint(const Task<T> &task, int e, T *adjoints_in,
                                       const EdgeAdjoint<T> &out)
  {
    constexpr int MOST = FIRST > 0 ? FIRST : MLPOT_REGISTERS > 16 ? 3 : 2;
    constexpr int LAST = MOST < LMAX ? MOST : LMAX;
    edge_of_messages_adjoint<T, FIRST, LAST, COMPONENT, COUNT>(task, e, adjoints_in, out);
    if constexpr (LAST < LMAX)
      edges_of_degrees_adjoint<T, LAST + 1, LMAX, COMPONENT, COUNT>(task, e, adjoints_in, out);
  }

  template <typename T, int LMAX, int COMPONENT, int COUNT>
  inline void components_adjoint(const Task<T> &task, const Edges &edges, T *adjoints_in,
                                 const EdgeAdjoint<T> &out)
  {
    arrange_components<T, COMPONENT, COUNT>(*task.model, *task.workspace);
    for (int e = 0; e < edges.n_edges; e++)
      edges_of_degrees_adjoint<T, 0, LMAX, COMPONENT, COUNT>(task, e, adjoints_in, out);
  }

  template <typename T, int LMAX>
  inline void edges_of_messages_adjoint(const Task<T> &task, const Edges &edges, T *adjoints_in,
                                        const EdgeAdjoint<T> &out)
  {
    const int degrees = task.model->n_message_degrees;
    if (degrees == 1)
      components_adjoint<T, LMAX, 0, 1>(task, edges, adjoints_in, out);
    else
      components_adjoint<T, LMAX, 0, 4>(task, edges, adjoints_in, out);
    if (degrees == 3) components_adjoint<T, LMAX, 4, 5>(task, edges, adjoints_in, out);
  }

  /* atomic_basis_adjoint -> adjoints of messages (added), harmonics and distances; after
     message_radial_derivatives. */
  template <typename T>
  inline void message_density_adjoint(const Task<T> &task, const Edges &edges,
                                      const T *atomic_basis_adjoint, T *adjoints_in,
                                      const EdgeAdjoint<T> &out)
  {
    const ModelTables<T> &model = *task.model;
    couple_adjoint(task, atomic_basis_adjoint);
    constexpr void (*ADJOINTS[MAX_DEGREES])(const Task<T> &, const Edges &, T *,
                                            const EdgeAdjoint<T> &) = {
        edges_of_messages_adjoint<T, 0>, edges_of_messages_adjoint<T, 1>,
        edges_of_messages_adjoint<T, 2>, edges_of_messages_adjoint<T, 3>,
        edges_of_messages_adjoint<T, 4>, edges_of_messages_adjoint<T, 5>,
        edges_of_messages_adjoint<T, 6>};
    ADJOINTS[model.lmax](task, edges, adjoints_in, out);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
