/* SPDX-License-Identifier: MIT

   Radial functions of the edges of a center: the basis, as in mlpot/model/radial.py, and with shared weights
   the functions of each element, mixed from it. */

#ifndef MLPOT_RADIAL_FUNCTIONS_H
#define MLPOT_RADIAL_FUNCTIONS_H

#include "kernels/kernel.h"
#include "kernels/lanes.h"
#include "kernels/matrix_product.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* sin and cos of t in [0, pi]: Taylor series around pi/2. */
  template <typename T, typename V> inline void sine_and_cosine(V t, V &sine, V &cosine)
  {
    constexpr int TERMS = sizeof(T) == 4 ? 6 : 11;
    const V y = t - T(1.57079632679489661923), minus = T(0) - y * y;
    V even = V{} + T(1), odd = V{} + T(1);
    for (int k = TERMS; k > 0; k--) {
      even = T(1) + even * minus * T(1.0 / ((2 * k - 1) * (2 * k)));
      odd = T(1) + odd * minus * T(1.0 / ((2 * k) * (2 * k + 1)));
    }
    sine = even;
    cosine = T(0) - y * odd;
  }

  /* Envelope at distance (1 - u) cutoff, which is u^3 sum_(k < p) (k+1)(k+2)/2 (1-u)^k, and its
     derivative with respect to (1 - u). Exact near the cutoff, where the usual form cancels. */
  template <typename T, typename V> inline void envelope(int p, V u, V &value, V &derivative)
  {
    const V x = T(1) - u;
    V series = V{}, power = V{} + T(1);
    for (int k = 0; k < p; k++) {
      series += T(0.5 * (k + 1) * (k + 2)) * power;
      if (k + 1 < p) power *= x;
    }
    value = u * u * u * series;
    derivative = T(-0.5 * p * (p + 1) * (p + 2)) * power * u * u;
  }

  /* b_n = scale_n sin(n pi x) / r envelope with x = (1 + a) r / (cutoff + a r), and its derivative,
     by the addition theorems. The argument is measured from the cutoff: sin(n pi x) = (-1)^(n+1) sin(n pi (1 - x)).
     Training needs no derivative: tangents carry it. */
  template <typename N>
  inline void radial_functions(const ModelTables<Real<N>> &model, int n_edges, Workspace<N> &work)
  {
    using T = Real<N>;
    using V = Vector<N>;
    constexpr T PI = static_cast<T>(3.14159265358979323846);
    const T inverse_cutoff = static_cast<T>(1.0 / model.cutoff),
            distance_transform = model.distance_transform;
    for (int e = 0; e < n_edges; e += Simd<N>::LANES) {
      const V u = load(work.one_minus_x + e), inverse = load(work.inverse + e);
      V sine, cosine, decay, decay_derivative;
      const V shrunk = reciprocal<T>((T(1) + distance_transform) - distance_transform * u);
      sine_and_cosine<T, V>(PI * (u * shrunk), sine, cosine);
      envelope<T, V>(model.envelope_power, u, decay, decay_derivative);
      const V factor = decay * inverse;
      const V factor_derivative = (inverse_cutoff * decay_derivative - factor) * inverse;
      const V wave =
          ((T(1) + distance_transform) * PI * inverse_cutoff) * (shrunk * shrunk);    // pi dx/dr
      V s = sine, c = T(0) - cosine;    // sin and cos of n pi x
      cosine = c;
      for (int n = 0; n < model.n_radial; n++) {
        const T scale = model.radial_scale[n];
        store<T>(work.radial + n * work.capacity + e, scale * s * factor);
        if constexpr (!Simd<N>::DUAL)
          store<T>(work.radial_derivative + n * work.capacity + e,
                   scale * (T(n + 1) * (wave * c * factor) + s * factor_derivative));
        const V next = s * cosine + c * sine;
        c = c * cosine - s * sine;
        s = next;
      }
    }
  }

  /* Transposes [row][column] to [column][row], in whole vectors: zeros follow the last row. */
  template <typename N>
  inline void transpose_array(int n_rows, int n_columns, const N *array, int stride, N *result,
                              int result_stride)
  {
    using T = Real<N>;
    constexpr int LANES = Simd<N>::LANES, PARTS = sizeof(N) / sizeof(T);
    for (int part = 0; part < PARTS; part++)    // values, tangents
      for (int column = 0; column < n_columns; column += LANES)
        for (int row = 0; row < n_rows; row += LANES) {
          const T *from = reinterpret_cast<const T *>(array + row * stride + column) + part * LANES;
          T *to = reinterpret_cast<T *>(result + column * result_stride + row) + part * LANES;
          Vector<T> block[LANES];
          MLPOT_UNROLL
          for (int k = 0; k < LANES; k++)
            block[k] = row + k < n_rows ? load(from + PARTS * k * stride) : Vector<T>{};
          transpose<T>(block);
          MLPOT_UNROLL
          for (int k = 0; k < LANES; k++) store<T>(to + PARTS * k * result_stride, block[k]);
        }
  }

  template <typename T> inline int mix_of_species(const ModelTables<T> &model, int species)
  {
    return species * model.n_radial * model.functions_width;
  }

  /* Rows of R_f = sum_n W_nf b_n with the weights W of the species of each neighbor, and of the derivatives. */
  template <typename T>
  inline void mixed_rows(const ModelTables<T> &model, const int *species, int n_edges,
                         const Workspace<T> &work)
  {
    const int columns = model.functions_width;
    for (int e = 0; e < n_edges; e++) {
      const T *weights = model.radial_mix + mix_of_species(model, species[work.index[e]]);
      for (int f = 0; f < columns; f += Simd<T>::LANES) {
        Vector<T> value = {}, derivative = {};
        for (int n = 0; n < model.n_radial; n++) {
          const Vector<T> weight = load(weights + n * columns + f);
          value += work.radial[n * work.capacity + e] * weight;
          derivative += work.radial_derivative[n * work.capacity + e] * weight;
        }
        store<T>(work.function_rows + e * columns + f, value);
        store<T>(work.function_derivative_rows + e * columns + f, derivative);
      }
    }
  }

  /* Radial functions of the elements of the neighbors. */
  template <typename T>
  inline void mix_radial(const ModelTables<T> &model, const int *species, const Edges &edges,
                         Workspace<T> &work)
  {
    const int n = edges.n_edges, width = model.functions_width, stride = work.capacity;
    mixed_rows(model, species, n, work);
    transpose_array(n, model.n_functions, work.function_rows, width, work.mixed_radial, stride);
    transpose_array(n, model.n_functions, work.function_derivative_rows, width,
                    work.mixed_radial_derivative, stride);
    work.functions = work.mixed_radial;
    work.function_derivatives = work.mixed_radial_derivative;
  }

  /* In training rows suffice; edges are sorted by species. */
  template <typename T>
  inline void mix_radial(const ModelTables<T> &model, const int *, const Edges &edges,
                         Workspace<Dual<T>> &work)
  {
    const int width = model.radial_width, columns = model.functions_width;
    transpose_array(model.n_radial, edges.n_edges, work.radial, work.capacity, work.radial_rows,
                    width);
    for (int g = 0; g < edges.n_species; g++) {
      const Group group = work.species_groups[g];
      product<Dual<T>, false, T>(group.count, model.n_radial, columns,
                                 {work.radial_rows + group.first * width, width, 1},
                                 model.radial_mix + mix_of_species(model, group.species), columns,
                                 work.function_rows + group.first * columns, columns);
    }
  }

  /* Radial functions of the first layer, and the groups of edges that are summed apart: all of them are one group where
     elements differ in their functions. */
  template <typename N>
  inline void prepare_functions(const ModelTables<Real<N>> &model, const int *species, Edges &edges,
                                Workspace<N> &work)
  {
    if (model.radial_mix) {
      mix_radial(model, species, edges, work);
      work.groups = work.all_edges;
      work.groups[0] = {0, 0, edges.n_edges};
      edges.n_groups = edges.n_edges > 0;
      return;
    }
    work.functions = work.radial;
    work.function_derivatives = work.radial_derivative;
    work.groups = work.species_groups;
    transpose_array(model.n_radial, edges.n_edges, work.radial, work.capacity, work.function_rows,
                    model.functions_width);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
