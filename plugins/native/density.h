/* SPDX-License-Identifier: MIT

   First layer: neighbour sums of each species mixed into channels, and their adjoints: from the edges to
   `mixed`, and from `mixed_adjoint` to the adjoints of harmonics (harmonics_adjoint) and distances
   (slope_adjoint). */

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
    Workspace<N> &work = *task.workspace;
    const int width = model.radial_width, channels = model.n_channels;
    if (edges.n_groups == 0) clear(work.mixed, model.n_harmonics() * channels);
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      const N *density = density_of_group(model, g, work);
      for (int l = 0; l <= model.lmax; l++) {
        const auto multiply = g == 0 ? product<N, false, Real<N>> : product<N, true, Real<N>>;
        multiply(2 * l + 1, model.n_radial, channels, {density + l * l * width, width, 1},
                 task.weights->mix + mix_block(model, group.species, l), channels,
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
    return task.weights->mix_t + block * model.n_channels * model.radial_width;
  }

  /* mixed_adjoint, a harmonic a row -> adjoint of the sums over the neighbours, [group][adjoint_size] */
  template <typename T>
  inline void unmix_species(const Task<T> &task, const Edges &edges, const T *mixed_adjoint,
                            int row, T *out)
  {
    const ModelTables<T> &model = *task.model;
    const int columns = radial_columns<T>(model), channels = model.n_channels;
    for (int g = 0; g < edges.n_groups; g++, out += adjoint_size(model))
      for (int l = 0; l <= model.lmax; l++)
        product<T>(2 * l + 1, channels, columns, {mixed_adjoint + l * l * row, row, 1},
                   unmix_of(task, g, l), model.radial_width, out + l * l * columns, columns);
  }

  /* Adds slope_n sum_lm adjoint_(lm, n) Y_lm for ROWS radial functions and COLUMNS vectors of edges. */
  template <typename T, int ROWS, int COLUMNS>
  inline void add_slopes(int n_harmonics, const T *adjoint, int columns, const T *harmonics,
                         const T *slopes, int stride, Vector<T> *totals)
  {
    constexpr int LANES = Simd<T>::LANES;
    Vector<T> sums[ROWS][COLUMNS] = {};
    for (int lm = 0; lm < n_harmonics; lm++) {
      MLPOT_UNROLL
      for (int k = 0; k < ROWS * COLUMNS; k++) {
        const int n = k / COLUMNS, v = k % COLUMNS;
        sums[n][v] += adjoint[lm * columns + n] * load(harmonics + lm * stride + v * LANES);
      }
    }
    MLPOT_UNROLL
    for (int k = 0; k < ROWS * COLUMNS; k++) {
      const int n = k / COLUMNS, v = k % COLUMNS;
      totals[v] += sums[n][v] * load(slopes + n * stride + v * LANES);
    }
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
    MLPOT_UNROLL
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

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
