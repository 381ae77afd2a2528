/* SPDX-License-Identifier: MIT

   Small matrix products c = a w, or c += a w, with the accumulators in registers. Vectors run over the
   columns of w and c, whose rows start at vectors; a may have any strides. */

#ifndef MLPOT_PRODUCT_H
#define MLPOT_PRODUCT_H

#include "simd.h"

#include <cstddef>

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  template <typename T> struct Matrix {
    const T *values;
    std::ptrdiff_t row, column;    // strides
  };

  /* ROWS x COLUMNS vectors of c. Few accumulators are split in two over the inner index, so that an
     addition need not wait for the one before. */
  template <typename T, int ROWS, int COLUMNS, bool ADD>
  inline void product_block(int n, const Matrix<T> &a, const T *w, std::ptrdiff_t w_row, T *c,
                            std::ptrdiff_t c_row)
  {
    constexpr int LANES = Simd<T>::LANES;
    constexpr int SPLIT = ROWS * COLUMNS <= 4 ? 2 : 1;
    Vector<T> sums[SPLIT][ROWS][COLUMNS] = {};
    int k = 0;
    for (; k + SPLIT <= n; k += SPLIT)
      for (int s = 0; s < SPLIT; s++)
        for (int m = 0; m < ROWS; m++)
          for (int v = 0; v < COLUMNS; v++)
            sums[s][m][v] +=
                a.values[m * a.row + (k + s) * a.column] * load(w + (k + s) * w_row + v * LANES);
    for (; k < n; k++)
      for (int m = 0; m < ROWS; m++)
        for (int v = 0; v < COLUMNS; v++)
          sums[0][m][v] += a.values[m * a.row + k * a.column] * load(w + k * w_row + v * LANES);
    for (int m = 0; m < ROWS; m++)
      for (int v = 0; v < COLUMNS; v++) {
        Vector<T> total = sums[0][m][v];
        if (SPLIT > 1) total += sums[SPLIT - 1][m][v];
        T *place = c + m * c_row + v * LANES;
        if (ADD) total += load(place);
        store<T>(place, total);
      }
  }

  template <typename T, int ROWS, bool ADD>
  inline void product_rows(int n, int columns, const Matrix<T> &a, const T *w, std::ptrdiff_t w_row,
                           T *c, std::ptrdiff_t c_row)
  {
    constexpr int LANES = Simd<T>::LANES;
    int column = 0;
    for (; column + 2 * LANES <= columns; column += 2 * LANES)
      product_block<T, ROWS, 2, ADD>(n, a, w + column, w_row, c + column, c_row);
    if (column < columns)
      product_block<T, ROWS, 1, ADD>(n, a, w + column, w_row, c + column, c_row);
  }

  /* c (rows x columns) from a (rows x n) and w (n x columns); columns are a multiple of the lanes. */
  template <typename T, bool ADD = false>
  void product(int rows, int n, int columns, Matrix<T> a, const T *w, std::ptrdiff_t w_row, T *c,
               std::ptrdiff_t c_row)
  {
    for (; rows >= 4; rows -= 4, a.values += 4 * a.row, c += 4 * c_row)
      product_rows<T, 4, ADD>(n, columns, a, w, w_row, c, c_row);
    if (rows == 3) product_rows<T, 3, ADD>(n, columns, a, w, w_row, c, c_row);
    if (rows == 2) product_rows<T, 2, ADD>(n, columns, a, w, w_row, c, c_row);
    if (rows == 1) product_rows<T, 1, ADD>(n, columns, a, w, w_row, c, c_row);
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
