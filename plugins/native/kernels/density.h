/* SPDX-License-Identifier: MIT

   First layer: sums over the neighbors of each species, mixed into the atomic basis, and the adjoint:
   from the edges to `atomic_basis`, and from `atomic_basis_adjoint` to the adjoints of harmonics and
   distances. */

#ifndef MLPOT_DENSITY_H
#define MLPOT_DENSITY_H

#include "kernels/edges.h"
#include "kernels/matrix_product.h"

namespace mlpot {
namespace MLPOT_ISA {

  template <typename N> inline void clear(N *values, std::size_t size)
  {
    for (std::size_t k = 0; k < size; k++) values[k] = N{};
  }

  /* Columns of the rows of radial functions that enter products: half a vector, or whole ones. */
  template <typename N> inline int radial_columns(const ModelTables<Real<N>> &model)
  {
    constexpr int HALF = Simd<N>::LANES / 2;
    return !Simd<N>::DUAL && model.n_functions <= HALF ? HALF : model.functions_width;
  }

  template <typename T>
  inline std::size_t mix_block(const ModelTables<T> &model, int species, int degree)
  {
    const std::size_t size = static_cast<std::size_t>(model.n_functions) * model.n_channels;
    return (static_cast<std::size_t>(species) * (model.lmax + 1) + degree) * size;
  }

  template <typename T> inline int sums_of_group(const ModelTables<T> &model)
  {
    return model.n_harmonics() * model.functions_width;
  }

  template <typename N>
  inline N *density_of_group(const ModelTables<Real<N>> &model, int g, const Workspace<N> &work)
  {
    return work.density + g * sums_of_group(model);
  }

  /* The density; shared by all members of a committee. */
  template <typename N> inline void sum_neighbors(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    Workspace<N> &work = *task.workspace;
    const int width = model.functions_width;
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      product<N>(model.n_harmonics(), group.count, radial_columns<N>(model),
                 {work.harmonics, work.capacity, 1, group.first},
                 work.function_rows + group.first * width, width, density_of_group(model, g, work),
                 width);
    }
  }

  template <typename N> inline void mix_species(const Task<N> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    Workspace<N> &work = *task.workspace;
    const int width = model.functions_width, channels = model.n_channels;
    if (edges.n_groups == 0) clear(work.atomic_basis, model.n_harmonics() * channels);
    for (int g = 0; g < edges.n_groups; g++) {
      const Group group = work.groups[g];
      const N *density = density_of_group(model, g, work);
      for (int l = 0; l <= model.lmax; l++) {
        const auto multiply = g == 0 ? product<N, false, Real<N>> : product<N, true, Real<N>>;
        multiply(2 * l + 1, model.n_functions, channels, {density + l * l * width, width, 1},
                 task.weights->mix + mix_block(model, group.species, l), channels,
                 work.atomic_basis + l * l * channels, channels);
      }
    }
  }

  /* Adjoints of the harmonics [lm][edge] and distances [edge] of the edges of a center. */
  template <typename T> struct EdgeAdjoint {
    T *harmonics, *distance;
  };

  template <typename T> inline EdgeAdjoint<T> adjoint_of_mean(const Workspace<T> &work)
  {
    return {work.harmonics_adjoint, work.distance_adjoint};
  }

  /* Size of the adjoint of the sums over the neighbors of a group: [lm][radial_columns]. */
  template <typename T> inline int adjoint_size(const ModelTables<T> &model)
  {
    return whole_vectors<T>(model.n_harmonics() * radial_columns<T>(model));
  }

  template <typename T> inline const T *transposed_mix(const Task<T> &task, int g, int l)
  {
    const ModelTables<T> &model = *task.model;
    const std::size_t block =
        static_cast<std::size_t>(task.workspace->groups[g].species) * (model.lmax + 1) + l;
    return task.weights->mix_t + block * model.n_channels * model.functions_width;
  }

  /* mix_species_adjoint for COUNT groups at once, from group g on. */
  template <typename T, int COUNT>
  inline void mix_groups_adjoint(const Task<T> &task, int g, const T *atomic_basis_adjoint, int row,
                                 T *out)
  {
    const ModelTables<T> &model = *task.model;
    const int columns = radial_columns<T>(model), channels = model.n_channels;
    for (int l = 0; l <= model.lmax; l++) {
      const T *weights[COUNT];
      T *to[COUNT];
      for (int v = 0; v < COUNT; v++) {
        weights[v] = transposed_mix(task, g + v, l);
        to[v] = out + (g + v) * adjoint_size(model) + l * l * columns;
      }
      products<T, COUNT>(2 * l + 1, channels, columns, {atomic_basis_adjoint + l * l * row, row, 1},
                         weights, model.functions_width, to, columns);
    }
  }

  /* atomic_basis_adjoint, a row per harmonic -> adjoint of the sums over the neighbors, [group][adjoint_size] */
  template <typename T>
  inline void mix_species_adjoint(const Task<T> &task, const Edges &edges,
                                  const T *atomic_basis_adjoint, int row, T *out)
  {
    int g = 0;
    for (; g + 3 <= edges.n_groups; g += 3)
      mix_groups_adjoint<T, 3>(task, g, atomic_basis_adjoint, row, out);
    if (g + 2 == edges.n_groups) mix_groups_adjoint<T, 2>(task, g, atomic_basis_adjoint, row, out);
    if (g + 1 == edges.n_groups) mix_groups_adjoint<T, 1>(task, g, atomic_basis_adjoint, row, out);
  }

  /* For ROWS harmonics and COLUMNS vectors of edges: adjoints of the harmonics, sum_n adjoint_(lm, n) R_n, and
     contributions to that of the distance, Y_lm sum_n adjoint_(lm, n) dR_n/dr. Both sums share their factors. */
  template <typename T, int ROWS, int COLUMNS>
  inline void adjoint_block(const ModelTables<T> &model, const Workspace<T> &work, int lm, int e,
                            const T *adjoint, const EdgeAdjoint<T> &out, Vector<T> *totals)
  {
    constexpr int LANES = Simd<T>::LANES;
    const int columns = radial_columns<T>(model), stride = work.capacity;
    Vector<T> values[ROWS][COLUMNS] = {}, derivatives[ROWS][COLUMNS] = {};
    for (int n = 0; n < model.n_functions; n++) {
      MLPOT_UNROLL
      for (int k = 0; k < ROWS * COLUMNS; k++) {
        const int row = k / COLUMNS, v = k % COLUMNS, place = n * stride + e + v * LANES;
        const T factor = adjoint[(lm + row) * columns + n];
        values[row][v] += factor * load_anywhere(work.functions + place);
        derivatives[row][v] += factor * load_anywhere(work.function_derivatives + place);
      }
    }
    MLPOT_UNROLL
    for (int k = 0; k < ROWS * COLUMNS; k++) {
      const int row = k / COLUMNS, v = k % COLUMNS, place = (lm + row) * stride + e + v * LANES;
      store_anywhere<T>(out.harmonics + place, values[row][v]);
      totals[v] += derivatives[row][v] * load_anywhere(work.harmonics + place);
    }
  }

  /* The same for as many rows as there are, up to MOST. */
  template <typename T, int MOST, int COLUMNS>
  inline void adjoint_rows(int rows, const ModelTables<T> &model, const Workspace<T> &work, int lm,
                           int e, const T *adjoint, const EdgeAdjoint<T> &out, Vector<T> *totals)
  {
    if (rows == MOST)
      return adjoint_block<T, MOST, COLUMNS>(model, work, lm, e, adjoint, out, totals);
    if constexpr (MOST > 1)
      adjoint_rows<T, MOST - 1, COLUMNS>(rows, model, work, lm, e, adjoint, out, totals);
  }

  template <typename T, int COLUMNS>
  inline void adjoint_of_edges(const ModelTables<T> &model, const Workspace<T> &work, int e,
                               const T *adjoint, const EdgeAdjoint<T> &out)
  {
    constexpr int MOST = 5;    // divides 25 harmonics
    Vector<T> totals[COLUMNS] = {};
    const int n = model.n_harmonics();
    for (int lm = 0, n_blocks = (n + MOST - 1) / MOST; n_blocks > 0; n_blocks--) {
      const int rows = (n - lm + n_blocks - 1) / n_blocks;
      adjoint_rows<T, MOST, COLUMNS>(rows, model, work, lm, e, adjoint, out, totals);
      lm += rows;
    }
    MLPOT_UNROLL
    for (int v = 0; v < COLUMNS; v++)
      store_anywhere<T>(out.distance + e + v * Simd<T>::LANES, totals[v]);
  }

  /* The last vector of a group reaches into the next one, which writes there later. */
  template <typename T>
  inline void sum_neighbors_adjoint(const Task<T> &task, const Edges &edges, const T *adjoint,
                                    const EdgeAdjoint<T> &out)
  {
    constexpr int LANES = Simd<T>::LANES;
    constexpr int COLUMNS = MLPOT_REGISTERS > 16 ? 2 : 1;
    const ModelTables<T> &model = *task.model;
    const Workspace<T> &work = *task.workspace;
    for (int g = 0; g < edges.n_groups; g++, adjoint += adjoint_size(model)) {
      const Group group = work.groups[g];
      const int last = group.first + group.count;
      int e = group.first;
      for (; e + (COLUMNS - 1) * LANES < last; e += COLUMNS * LANES)
        adjoint_of_edges<T, COLUMNS>(model, work, e, adjoint, out);
      for (; e < last; e += LANES) adjoint_of_edges<T, 1>(model, work, e, adjoint, out);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
