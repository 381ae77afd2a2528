/* SPDX-License-Identifier: MIT

   Neighbour sums mixed into channels, and their adjoints: from the edges to `mixed`, and from
   `mixed_adjoint` to the adjoints of harmonics (harmonics_adjoint) and distances (slope_adjoint). */

#ifndef MLPOT_DENSITY_H
#define MLPOT_DENSITY_H

#include "edges.h"
#include "product.h"

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  template <typename N> inline void clear(N *values, std::size_t size)
  {
    for (std::size_t k = 0; k < size; k++) values[k] = N{};
  }

  /* First layer: density of each species. */

  /* Columns of the rows of radial functions that products go over: half a vector, or whole ones. */
  template <typename N> inline int radial_columns(const ModelTables<Real<N>> &model)
  {
    constexpr int HALF = Simd<N>::LANES / 2;
    return !Simd<N>::DUAL && model.n_radial <= HALF ? HALF : model.radial_width;
  }

  template <typename T>
  inline std::size_t mix_block(const ModelTables<T> &model, int species, int degree)
  {
    const std::size_t size = static_cast<std::size_t>(model.n_radial) * model.n_channels;
    return (static_cast<std::size_t>(species) * (model.lmax + 1) + degree) * size;
  }

  template <typename T> inline int sums_of_group(const ModelTables<T> &model)
  {
    return model.n_harmonics() * model.radial_width;
  }

  template <typename N>
  inline N *density_of_group(const ModelTables<Real<N>> &model, int g, const Workspace<N> &work)
  {
    return work.density + g * sums_of_group(model);
  }

  /* What all members of a committee have in common. */
  template <typename N> inline void sum_neighbors(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    Workspace<N> &work = *task.workspace;
    const int width = model.radial_width;
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      product<N>(model.n_harmonics(), group.count, radial_columns<N>(model),
                 {work.harmonics + group.first, work.capacity, 1},
                 work.radial_rows + group.first * width, width, density_of_group(model, g, work),
                 width);
    }
  }

  template <typename N> inline void mix_species(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    Workspace<N> &work = *task.workspace;
    const int width = model.radial_width, channels = model.n_channels;
    if (edges.n_groups == 0) clear(work.mixed, model.n_harmonics() * channels);
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      const N *density = density_of_group(model, g, work);
      for (int l = 0; l <= model.lmax; l++) {
        const auto multiply = g == 0 ? product<N, false, Real<N>> : product<N, true, Real<N>>;
        multiply(2 * l + 1, model.n_radial, channels, {density + l * l * width, width, 1},
                 layer.mix + mix_block(model, group.species, l), channels,
                 work.mixed + l * l * channels, channels);
      }
    }
  }

  /* Adjoints of the harmonics [lm][edge] and distances [edge] of the edges of a centre. */
  template <typename T> struct EdgeAdjoint {
    T *harmonics, *slope;
  };

  /* Adjoints of the sums over the neighbours of a group: [lm][radial_columns]. */
  template <typename T> inline int adjoint_size(const ModelTables<T> &model)
  {
    return whole_vectors<T>(model.n_harmonics() * radial_columns<T>(model));
  }

  template <typename T> inline const T *unmix_of(const Task<T> &task, int g, int l)
  {
    const ModelTables<T> &model = *task.model;
    const std::size_t block =
        static_cast<std::size_t>(task.workspace->groups[g].species) * (model.lmax + 1) + l;
    return model.layers[0].mix_t + block * model.n_channels * model.radial_width;
  }

  /* mixed_adjoint -> adjoint of the sums over the neighbours, [group][adjoint_size] */
  template <typename T>
  inline void unmix_species(const Task<T> &task, const Edges &edges, const T *mixed_adjoint, T *out)
  {
    const ModelTables<T> &model = *task.model;
    const int columns = radial_columns<T>(model), channels = model.n_channels;
    for (int g = 0; g < edges.n_groups; g++, out += adjoint_size(model))
      for (int l = 0; l <= model.lmax; l++)
        product<T>(2 * l + 1, channels, columns, {mixed_adjoint + l * l * channels, channels, 1},
                   unmix_of(task, g, l), model.radial_width, out + l * l * columns, columns);
  }

  /* Adds slope_n sum_lm adjoint_(lm, n) Y_lm for ROWS radial functions and COLUMNS vectors of edges. */
  template <typename T, int ROWS, int COLUMNS>
  inline void add_slopes(int n_harmonics, const T *adjoint, int columns, const T *harmonics,
                         const T *slopes, int stride, Vector<T> *totals)
  {
    constexpr int LANES = Simd<T>::LANES;
    Vector<T> sums[ROWS][COLUMNS] = {};
    for (int lm = 0; lm < n_harmonics; lm++)
      for (int n = 0; n < ROWS; n++)
        for (int v = 0; v < COLUMNS; v++)
          sums[n][v] += adjoint[lm * columns + n] * load(harmonics + lm * stride + v * LANES);
    for (int n = 0; n < ROWS; n++)
      for (int v = 0; v < COLUMNS; v++)
        totals[v] += sums[n][v] * load(slopes + n * stride + v * LANES);
  }

  template <typename T, int COLUMNS>
  inline void distance_adjoint(const Task<T> &task, const T *adjoint, int e, T *out)
  {
    const ModelTables<T> &model = *task.model;
    const Workspace<T> &work = *task.workspace;
    const int columns = radial_columns<T>(model), stride = work.capacity;
    Vector<T> totals[COLUMNS] = {};
    int n = 0;
    for (; n + 4 <= model.n_radial; n += 4)
      add_slopes<T, 4, COLUMNS>(model.n_harmonics(), adjoint + n, columns, work.harmonics + e,
                                work.slope + n * stride + e, stride, totals);
    for (; n < model.n_radial; n++)
      add_slopes<T, 1, COLUMNS>(model.n_harmonics(), adjoint + n, columns, work.harmonics + e,
                                work.slope + n * stride + e, stride, totals);
    for (int v = 0; v < COLUMNS; v++) store<T>(out + e + v * Simd<T>::LANES, totals[v]);
  }

  template <typename T>
  inline void sum_neighbors_adjoint(const Task<T> &task, const Edges &edges, const T *adjoint,
                                    const EdgeAdjoint<T> &out)
  {
    constexpr int LANES = Simd<T>::LANES;
    const ModelTables<T> &model = *task.model;
    const Workspace<T> &work = *task.workspace;
    const int stride = work.capacity;
    for (int g = 0; g < edges.n_groups; g++, adjoint += adjoint_size(model)) {
      const Group group = work.groups[g];
      product<T>(model.n_harmonics(), model.n_radial, group.last - group.first,
                 {adjoint, radial_columns<T>(model), 1}, work.radial + group.first, stride,
                 out.harmonics + group.first, stride);
      int e = group.first;
      for (; e + 2 * LANES <= group.last; e += 2 * LANES)
        distance_adjoint<T, 2>(task, adjoint, e, out.slope);
      if (e < group.last) distance_adjoint<T, 1>(task, adjoint, e, out.slope);
    }
  }

  /* Later layers: density of the messages. */

  /* Row of an atom in an array of messages. */
  template <typename N> inline std::size_t message_row(const Task<N> &task, int atom)
  {
    return static_cast<std::size_t>(atom) * task.message_stride;
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

  /* Radial functions times messages, an edge a row. */
  template <typename N>
  inline void weigh_messages(const Task<N> &task, int n_edges, const N *radial, N *out)
  {
    const auto &model = *task.model;
    const int width = model.message_width(), channels = model.message_channels;
    for (int e = 0; e < n_edges; e++) {
      const N *message = task.messages_in + message_row(task, task.workspace->index[e]);
      for (int m = 0; m < model.message_components(); m++) {
        const N *values = radial + e * pair_width(model) + (m > 0 ? channels : 0);
        for (int c = 0; c < channels; c += Simd<N>::LANES)
          store<Real<N>>(out + e * width + m * channels + c,
                         load(values + c) * load(message + m * channels + c));
      }
    }
  }

  /* out[row] += value in[column] for all couplings, or with rows and columns exchanged */
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

  template <typename N> inline void message_density(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    Workspace<N> &work = *task.workspace;
    const int n = edges.n_edges, width = model.message_width(), channels = model.message_channels;
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      N *radial = work.message_radial + l1 * work.capacity * pair_width(model);
      N *weighted = work.weighted + l1 * work.capacity * width;
      message_radials(model, layer, l1, n, work.radial_rows, radial);
      weigh_messages(task, n, radial, weighted);
      product<N>(2 * l1 + 1, n, width, {work.harmonics + l1 * l1 * work.capacity, work.capacity, 1},
                 weighted, width, work.message_density + l1 * l1 * width, width);
    }
    clear(work.coupled, coupled_rows(model, layer) * channels);
    couple(layer, channels, 0, work.message_density, work.coupled);
    const N *coupled = work.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * channels;
      product<N>(2 * L + 1, columns, model.n_channels, {coupled, columns, 1}, layer.path_mix[L],
                 model.n_channels, work.mixed + L * L * model.n_channels, model.n_channels);
      coupled += (2 * L + 1) * columns;
    }
  }

  /* mixed_adjoint -> adjoint of message_density, in its place */
  template <typename N>
  inline void uncouple(const ModelTables<Real<N>> &model, const LayerTables<Real<N>> &layer,
                       const N *mixed_adjoint, Workspace<N> &work)
  {
    N *coupled = work.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * model.message_channels;
      product<N>(2 * L + 1, model.n_channels, columns,
                 {mixed_adjoint + L * L * model.n_channels, model.n_channels, 1},
                 layer.path_mix_t[L], columns, coupled, columns);
      coupled += (2 * L + 1) * columns;
    }
    clear(work.message_density, model.n_harmonics() * model.message_width());
    couple(layer, model.message_channels, 1, work.coupled, work.message_density);
  }

  /* Adjoints of the weighted messages of degree l1 of the edge, an edge a row. */
  template <typename N>
  inline void weighted_adjoints(const ModelTables<Real<N>> &model, int l1, int n_edges,
                                Workspace<N> &work)
  {
    const int width = model.message_width();
    product<N>(n_edges, 2 * l1 + 1, width,
               {work.harmonics + l1 * l1 * work.capacity, 1, work.capacity},
               work.message_density + l1 * l1 * width, width, work.backward, width);
  }

  /* Columns of a product over the components of one degree: half a vector, or whole ones. */
  template <typename T> inline int component_columns(int n_components)
  {
    constexpr int HALF = Simd<T>::LANES / 2;
    return n_components <= HALF ? HALF : whole_vectors<T>(n_components);
  }

  /* Adjoints of the harmonics of degree l1: products of the weighted messages with those of the
     density, vectors running over the components of the harmonic. */
  template <typename T>
  inline void message_harmonics_adjoint(const ModelTables<T> &model, int l1, int n_edges,
                                        Workspace<T> &work, T *harmonics_adjoint)
  {
    const int width = model.message_width(), m1 = 2 * l1 + 1, padded = component_columns<T>(m1);
    const T *adjoint = work.message_density + l1 * l1 * width;
    for (int x = 0; x < width; x++)
      for (int m = 0; m < padded; m++)
        work.transposed[x * padded + m] = m < m1 ? adjoint[m * width + x] : T(0);
    product<T>(n_edges, width, padded, {work.weighted + l1 * work.capacity * width, width, 1},
               work.transposed, padded, work.rows, padded);
    T *out = harmonics_adjoint + l1 * l1 * work.capacity;
    for (int m = 0; m < m1; m++)
      for (int e = 0; e < n_edges; e++) out[m * work.capacity + e] = work.rows[e * padded + m];
  }

  /* Adjoints of one neighbour's message and of its distance, from that of its weighted message. */
  template <typename T>
  inline T weighted_adjoint(const ModelTables<T> &model, const T *adjoint, const T *message,
                            const T *radial, const T *slope, T *message_adjoint)
  {
    const int channels = model.message_channels;
    Vector<T> total = {};
    for (int m = 0; m < model.message_components(); m++) {
      const int pair = m > 0 ? channels : 0;
      for (int c = 0; c < channels; c += Simd<T>::LANES) {
        const int x = m * channels + c;
        const Vector<T> g = load(adjoint + x);
        store<T>(message_adjoint + x, load(message_adjoint + x) + g * load(radial + pair + c));
        total += g * load(message + x) * load(slope + pair + c);
      }
    }
    return sum<T>(total);
  }

  /* Derivatives of the radial functions of all messages. */
  template <typename T> inline void message_slopes(const Task<T> &task, const Edges &edges)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int n = edges.n_edges;
    to_rows(model.n_radial, model.radial_width, n, work.slope, work.capacity, work.slope_rows);
    for (int l1 = 0; l1 <= model.lmax; l1++)
      message_radials(model, model.layers[task.layer], l1, n, work.slope_rows,
                      work.message_slope + l1 * work.capacity * pair_width(model));
  }

  /* mixed_adjoint -> adjoints of messages (added), harmonics and distances; needs message_slopes. */
  template <typename T>
  inline void message_density_adjoint(const Task<T> &task, const Edges &edges,
                                      const T *mixed_adjoint, T *adjoints_in,
                                      const EdgeAdjoint<T> &out)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int n = edges.n_edges, width = model.message_width(), pairs = pair_width(model);
    uncouple(model, model.layers[task.layer], mixed_adjoint, work);
    clear(out.slope, n);
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      weighted_adjoints(model, l1, n, work);
      message_harmonics_adjoint(model, l1, n, work, out.harmonics);
      const std::size_t first = l1 * work.capacity * pairs;
      for (int e = 0; e < n; e++) {
        const std::size_t row = message_row(task, work.index[e]);
        out.slope[e] += weighted_adjoint(model, work.backward + e * width, task.messages_in + row,
                                         work.message_radial + first + e * pairs,
                                         work.message_slope + first + e * pairs, adjoints_in + row);
      }
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
