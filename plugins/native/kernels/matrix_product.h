/* SPDX-License-Identifier: MIT

   Small matrix products c = a w, or c += a w, with the accumulators in registers, of numbers or duals; w may be
   real. Vectors run over the columns of w and c, whose rows start at vectors; of reals, the last may be half a
   vector. a may have any strides. `add_gradient` adds only the tangent of a product of two matrices of duals. */

#ifndef MLPOT_MATRIX_PRODUCT_H
#define MLPOT_MATRIX_PRODUCT_H

#include "kernels/simd.h"

#include <cstddef>
#include <type_traits>

namespace mlpot {
namespace MLPOT_ISA {

  template <typename A> struct Matrix {
    const A *values;               // at a vector
    std::ptrdiff_t row, column;    // strides
    std::ptrdiff_t first = 0;

    A operator()(int m, int k) const { return at(values, first + m * row + k * column); }
    void skip_rows(int n) { first += n * row; }
  };

  template <typename T> inline void multiply_add(Vector<T> &c, T a, const Vector<T> &w)
  {
    c += a * w;
  }
  template <typename T> inline void multiply_add(HalfVector<T> &c, T a, const HalfVector<T> &w)
  {
    c += a * w;
  }
  template <typename T>
  inline void multiply_add(DualVector<T> &c, const Dual<T> &a, const Vector<T> &w)
  {
    c.value += a.value * w;
    c.tangent += a.tangent * w;
  }
  template <typename T>
  inline void multiply_add(DualVector<T> &c, const Dual<T> &a, const DualVector<T> &w)
  {
    c.value += a.value * w.value;
    c.tangent += a.value * w.tangent + a.tangent * w.value;
  }
  template <typename T>
  inline void multiply_add(Vector<T> &c, const Dual<T> &a, const DualVector<T> &w)
  {
    c += a.value * w.tangent;
    c += a.tangent * w.value;
  }

  /* Whole vectors, or halves of them, as units of a product. */
  template <typename C> struct Whole {
    using V = Vector<C>;
    static constexpr int LANES = Simd<C>::LANES;

    template <typename W> static auto read(const W *p) { return load(p); }
    static void write(C *p, const V &v) { store<Real<C>>(p, v); }
  };
  template <typename T> struct Halved {
    using V = HalfVector<T>;
    static constexpr int LANES = Simd<T>::LANES / 2;

    static V read(const T *p) { return *reinterpret_cast<const V *>(p); }
    static void write(T *p, const V &v) { *reinterpret_cast<V *>(p) = v; }
  };

  /* ROWS x COLUMNS vectors of c. Few accumulators are split in two over the inner index, to shorten the
     chain of dependent additions. */
  template <typename C, typename Kind, int ROWS, int COLUMNS, bool ADD, typename A, typename W>
  inline void product_block(int n, const Matrix<A> &a, const W *w, std::ptrdiff_t w_row, C *c,
                            std::ptrdiff_t c_row)
  {
    using T = Real<C>;
    constexpr int LANES = Kind::LANES;
    constexpr int SPLIT = ROWS * COLUMNS * (Simd<C>::DUAL ? 2 : 1) <= 4 ? 2 : 1;
    typename Kind::V sums[SPLIT * ROWS * COLUMNS] = {};
    int k = 0;
    for (; k + SPLIT <= n; k += SPLIT) {
      MLPOT_UNROLL
      for (int place = 0; place < SPLIT * ROWS * COLUMNS; place++) {
        const int s = place / (ROWS * COLUMNS), m = place / COLUMNS % ROWS, v = place % COLUMNS;
        multiply_add<T>(sums[place], a(m, k + s), Kind::read(w + (k + s) * w_row + v * LANES));
      }
    }
    for (; k < n; k++) {
      MLPOT_UNROLL
      for (int place = 0; place < ROWS * COLUMNS; place++)
        multiply_add<T>(sums[place], a(place / COLUMNS, k),
                        Kind::read(w + k * w_row + place % COLUMNS * LANES));
    }
    MLPOT_UNROLL
    for (int place = 0; place < ROWS * COLUMNS; place++) {
      typename Kind::V total = sums[place];
      if (SPLIT > 1) total += sums[(SPLIT - 1) * ROWS * COLUMNS + place];
      C *out = c + place / COLUMNS * c_row + place % COLUMNS * LANES;
      if (ADD) total += Kind::read(out);
      Kind::write(out, total);
    }
  }

  template <typename C, int ROWS, bool ADD, typename A, typename W>
  inline void product_rows(int n, int columns, const Matrix<A> &a, const W *w, std::ptrdiff_t w_row,
                           C *c, std::ptrdiff_t c_row)
  {
    constexpr int LANES = Simd<C>::LANES;
    int column = 0;
    for (; column + 2 * LANES <= columns; column += 2 * LANES)
      product_block<C, Whole<C>, ROWS, 2, ADD>(n, a, w + column, w_row, c + column, c_row);
    if (column + LANES <= columns) {
      product_block<C, Whole<C>, ROWS, 1, ADD>(n, a, w + column, w_row, c + column, c_row);
      column += LANES;
    }
    if constexpr (std::is_same_v<C, W> && !Simd<C>::DUAL)
      if (column < columns)
        product_block<C, Halved<C>, ROWS, 1, ADD>(n, a, w + column, w_row, c + column, c_row);
  }

  /* As many rows as there are, up to MOST. */
  template <typename C, int MOST, bool ADD, typename A, typename W>
  inline void product_rows_of(int rows, int n, int columns, const Matrix<A> &a, const W *w,
                              std::ptrdiff_t w_row, C *c, std::ptrdiff_t c_row)
  {
    if (rows == MOST) return product_rows<C, MOST, ADD>(n, columns, a, w, w_row, c, c_row);
    if constexpr (MOST > 1)
      product_rows_of<C, MOST - 1, ADD>(rows, n, columns, a, w, w_row, c, c_row);
  }

  /* In blocks of rows of nearly equal size, as large as the registers allow, so that loads are shared. */
  template <typename C, bool ADD, typename A, typename W>
  inline void product_of(int rows, int n, int columns, Matrix<A> a, const W *w,
                         std::ptrdiff_t w_row, C *c, std::ptrdiff_t c_row)
  {
    constexpr int MOST = Simd<C>::DUAL || MLPOT_REGISTERS == 16 ? 4 : 8;
    for (int n_blocks = (rows + MOST - 1) / MOST; n_blocks > 0; n_blocks--) {
      const int block = (rows + n_blocks - 1) / n_blocks;
      product_rows_of<C, MOST, ADD>(block, n, columns, a, w, w_row, c, c_row);
      rows -= block;
      a.skip_rows(block);
      c += block * c_row;
    }
  }

  /* c (rows x columns) from a (rows x n) and w (n x columns); columns are a multiple of the lanes, of reals
     of half of them. */
  template <typename N, bool ADD = false, typename W>
  void product(int rows, int n, int columns, const Matrix<N> &a, const W *w, std::ptrdiff_t w_row,
               N *c, std::ptrdiff_t c_row)
  {
    product_of<N, ADD>(rows, n, columns, a, w, w_row, c, c_row);
  }

  /* A vector of columns of each of COUNT products c[v] = a w[v]; numbers of a are read once for all. */
  template <typename T, typename Kind, int ROWS, int COUNT>
  inline void products_block(int n, const Matrix<T> &a, const T *const *w, std::ptrdiff_t w_row,
                             T *const *c, std::ptrdiff_t c_row, int column)
  {
    typename Kind::V sums[ROWS * COUNT] = {};
    const T *from[COUNT];
    MLPOT_UNROLL
    for (int v = 0; v < COUNT; v++) from[v] = w[v] + column;
    for (int k = 0; k < n; k++) {
      MLPOT_UNROLL
      for (int place = 0; place < ROWS * COUNT; place++)
        multiply_add<T>(sums[place], a(place / COUNT, k),
                        Kind::read(from[place % COUNT] + k * w_row));
    }
    MLPOT_UNROLL
    for (int place = 0; place < ROWS * COUNT; place++)
      Kind::write(c[place % COUNT] + place / COUNT * c_row + column, sums[place]);
  }

  /* As many rows as there are, up to MOST. */
  template <typename T, int MOST, int COUNT>
  inline void products_rows(int rows, int n, int columns, const Matrix<T> &a, const T *const *w,
                            std::ptrdiff_t w_row, T *const *c, std::ptrdiff_t c_row)
  {
    constexpr int LANES = Simd<T>::LANES;
    if (rows == MOST) {
      int column = 0;
      for (; column + LANES <= columns; column += LANES)
        products_block<T, Whole<T>, MOST, COUNT>(n, a, w, w_row, c, c_row, column);
      if (column < columns)
        products_block<T, Halved<T>, MOST, COUNT>(n, a, w, w_row, c, c_row, column);
    } else if constexpr (MOST > 1)
      products_rows<T, MOST - 1, COUNT>(rows, n, columns, a, w, w_row, c, c_row);
  }

  /* COUNT products c[v] = a w[v] of matrices of the same size. */
  template <typename T, int COUNT>
  void products(int rows, int n, int columns, Matrix<T> a, const T *const *w, std::ptrdiff_t w_row,
                T *const *c, std::ptrdiff_t c_row)
  {
    constexpr int MOST = MLPOT_REGISTERS > 16 ? 7 : 4;
    T *to[COUNT];
    for (int v = 0; v < COUNT; v++) to[v] = c[v];
    for (int n_blocks = (rows + MOST - 1) / MOST; n_blocks > 0; n_blocks--) {
      const int block = (rows + n_blocks - 1) / n_blocks;
      products_rows<T, MOST, COUNT>(block, n, columns, a, w, w_row, to, c_row);
      rows -= block;
      a.skip_rows(block);
      for (int v = 0; v < COUNT; v++) to[v] += block * c_row;
    }
  }

  /* c += tangent of a w */
  template <typename T>
  void add_gradient(int rows, int n, int columns, const Matrix<Dual<T>> &a, const Dual<T> *w,
                    std::ptrdiff_t w_row, T *c, std::ptrdiff_t c_row)
  {
    product_of<T, true>(rows, n, columns, a, w, w_row, c, c_row);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
