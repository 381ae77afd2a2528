/* SPDX-License-Identifier: MIT

   Neighbour sums mixed into channels, and their adjoints: from the edges to `mixed`, and from
   `mixed_adjoint` to the adjoints of harmonics (harmonics_adjoint) and distances (slope_adjoint). */

#ifndef MLPOT_DENSITY_H
#define MLPOT_DENSITY_H

#include "edges.h"
#include "product.h"

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  template <typename T> inline void clear(T *values, std::size_t size)
  {
    for (std::size_t k = 0; k < size; k++) values[k] = 0;
  }

  /* First layer: density of each species. */

  template <typename T>
  inline std::size_t mix_block(const ModelTables<T> &model, int species, int degree)
  {
    return static_cast<std::size_t>(species) * (model.lmax + 1) + degree;
  }

  template <typename T>
  inline void species_density(const ModelTables<T> &model, const LayerTables<T> &layer,
                              const Edges &edges, Workspace<T> &work)
  {
    const int width = model.radial_width, channels = model.n_channels;
    if (edges.n_groups == 0) clear(work.mixed, model.n_harmonics() * channels);
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      product<T>(model.n_harmonics(), group.last - group.first, width,
                 {work.harmonics + group.first, work.capacity, 1},
                 work.radial_rows + group.first * width, width, work.density, width);
      for (int l = 0; l <= model.lmax; l++) {
        const auto multiply = g == 0 ? product<T, false> : product<T, true>;
        multiply(2 * l + 1, model.n_radial, channels, {work.density + l * l * width, width, 1},
                 layer.mix + mix_block(model, group.species, l) * model.n_radial * channels,
                 channels, work.mixed + l * l * channels, channels);
      }
    }
  }

  /* slope_adjoint from the products of density adjoint and slopes */
  template <typename T>
  inline void sum_slopes(int n_harmonics, int first, int last, Workspace<T> &work)
  {
    for (int e = first; e < last; e += Simd<T>::LANES) {
      Vector<T> total = {};
      for (int lm = 0; lm < n_harmonics; lm++)
        total += load(work.product + lm * work.capacity + e) *
            load(work.harmonics + lm * work.capacity + e);
      store<T>(work.slope_adjoint + e, total);
    }
  }

  template <typename T>
  inline void species_density_adjoint(const ModelTables<T> &model, const LayerTables<T> &layer,
                                      const Edges &edges, Workspace<T> &work)
  {
    const int width = model.radial_width, channels = model.n_channels, stride = work.capacity;
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      const int n = group.last - group.first;
      for (int l = 0; l <= model.lmax; l++)
        product<T>(2 * l + 1, channels, width, {work.mixed_adjoint + l * l * channels, channels, 1},
                   layer.mix_t + mix_block(model, group.species, l) * channels * width, width,
                   work.density + l * l * width, width);
      product<T>(model.n_harmonics(), model.n_radial, n, {work.density, width, 1},
                 work.radial + group.first, stride, work.harmonics_adjoint + group.first, stride);
      product<T>(model.n_harmonics(), model.n_radial, n, {work.density, width, 1},
                 work.slope + group.first, stride, work.product + group.first, stride);
      sum_slopes(model.n_harmonics(), group.first, group.last, work);
    }
  }

  /* Later layers: density of the messages. */

  /* Columns of the radial functions of one degree of the edge: one for each degree of the message. */
  template <typename T> inline int pair_width(const ModelTables<T> &model)
  {
    return model.n_message_degrees * model.message_channels;
  }

  template <typename T>
  inline void message_radials(const ModelTables<T> &model, const LayerTables<T> &layer, int l1,
                              int n_edges, const T *rows, T *out)
  {
    const int width = pair_width(model);
    product<T>(n_edges, model.n_radial, width, {rows, model.radial_width, 1},
               layer.radial + l1 * model.n_radial * width, width, out, width);
  }

  /* Radial functions times messages, an edge a row. */
  template <typename T>
  inline void weigh_messages(const ModelTables<T> &model, int n_edges, const T *messages,
                             const T *radial, T *out, const Workspace<T> &work)
  {
    const int width = model.message_width(), channels = model.message_channels;
    for (int e = 0; e < n_edges; e++) {
      const T *message = messages + static_cast<std::size_t>(work.index[e]) * width;
      for (int m = 0; m < model.message_components(); m++) {
        const T *values = radial + e * pair_width(model) + (m > 0 ? channels : 0);
        for (int c = 0; c < channels; c += Simd<T>::LANES)
          store<T>(out + e * width + m * channels + c,
                   load(values + c) * load(message + m * channels + c));
      }
    }
  }

  /* out[row] += value in[column] for all couplings, or with rows and columns exchanged */
  template <typename T>
  inline void couple(const LayerTables<T> &layer, int channels, int row, const T *in, T *out)
  {
    for (int k = 0; k < layer.n_couplings; k++) {
      const T *from = in + layer.couplings[2 * k + 1 - row] * channels;
      T *to = out + layer.couplings[2 * k + row] * channels;
      for (int c = 0; c < channels; c += Simd<T>::LANES)
        store<T>(to + c, load(to + c) + layer.coupling_values[k] * load(from + c));
    }
  }

  template <typename T>
  inline int coupled_rows(const ModelTables<T> &model, const LayerTables<T> &layer)
  {
    int rows = 0;
    for (int L = 0; L <= model.lmax; L++) rows += (2 * L + 1) * layer.n_paths[L];
    return rows;
  }

  template <typename T>
  inline void message_density(const ModelTables<T> &model, const LayerTables<T> &layer,
                              const T *messages, const Edges &edges, Workspace<T> &work)
  {
    const int n = edges.n_edges, width = model.message_width(), channels = model.message_channels;
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      T *radial = work.message_radial + l1 * work.capacity * pair_width(model);
      T *weighted = work.weighted + l1 * work.capacity * width;
      message_radials(model, layer, l1, n, work.radial_rows, radial);
      weigh_messages(model, n, messages, radial, weighted, work);
      product<T>(2 * l1 + 1, n, width, {work.harmonics + l1 * l1 * work.capacity, work.capacity, 1},
                 weighted, width, work.message_density + l1 * l1 * width, width);
    }
    clear(work.coupled, coupled_rows(model, layer) * channels);
    couple(layer, channels, 0, work.message_density, work.coupled);
    const T *coupled = work.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * channels;
      product<T>(2 * L + 1, columns, model.n_channels, {coupled, columns, 1}, layer.path_mix[L],
                 model.n_channels, work.mixed + L * L * model.n_channels, model.n_channels);
      coupled += (2 * L + 1) * columns;
    }
  }

  /* mixed_adjoint -> adjoint of message_density, in its place */
  template <typename T>
  inline void uncouple(const ModelTables<T> &model, const LayerTables<T> &layer, Workspace<T> &work)
  {
    T *coupled = work.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * model.message_channels;
      product<T>(2 * L + 1, model.n_channels, columns,
                 {work.mixed_adjoint + L * L * model.n_channels, model.n_channels, 1},
                 layer.path_mix_t[L], columns, coupled, columns);
      coupled += (2 * L + 1) * columns;
    }
    clear(work.message_density, model.n_harmonics() * model.message_width());
    couple(layer, model.message_channels, 1, work.coupled, work.message_density);
  }

  /* Adjoints of the harmonics of degree l1: products of the weighted messages with those of the
     density, vectors running over the components of the harmonic. */
  template <typename T>
  inline void message_harmonics_adjoint(const ModelTables<T> &model, int l1, int n_edges,
                                        Workspace<T> &work)
  {
    const int width = model.message_width(), m1 = 2 * l1 + 1, padded = whole_vectors<T>(m1);
    const T *adjoint = work.message_density + l1 * l1 * width;
    for (int x = 0; x < width; x++)
      for (int m = 0; m < padded; m++)
        work.transposed[x * padded + m] = m < m1 ? adjoint[m * width + x] : T(0);
    product<T>(n_edges, width, padded, {work.weighted + l1 * work.capacity * width, width, 1},
               work.transposed, padded, work.rows, padded);
    T *out = work.harmonics_adjoint + l1 * l1 * work.capacity;
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

  template <typename T>
  inline void message_density_adjoint(const ModelTables<T> &model, const LayerTables<T> &layer,
                                      const T *messages, T *message_adjoints, const Edges &edges,
                                      Workspace<T> &work)
  {
    const int n = edges.n_edges, width = model.message_width(), pairs = pair_width(model);
    uncouple(model, layer, work);
    to_rows(model.n_radial, model.radial_width, n, work.slope, work.capacity, work.slope_rows);
    clear(work.slope_adjoint, n);
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      product<T>(n, 2 * l1 + 1, width, {work.harmonics + l1 * l1 * work.capacity, 1, work.capacity},
                 work.message_density + l1 * l1 * width, width, work.backward, width);
      message_radials(model, layer, l1, n, work.slope_rows, work.message_slope);
      message_harmonics_adjoint(model, l1, n, work);
      const T *radial = work.message_radial + l1 * work.capacity * pairs;
      for (int e = 0; e < n; e++) {
        const std::size_t row = static_cast<std::size_t>(work.index[e]) * width;
        work.slope_adjoint[e] +=
            weighted_adjoint(model, work.backward + e * width, messages + row, radial + e * pairs,
                             work.message_slope + e * pairs, message_adjoints + row);
      }
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
