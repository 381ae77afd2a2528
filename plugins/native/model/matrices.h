/* SPDX-License-Identifier: MIT

   Plain row-major matrices in double precision, for folding when a model is loaded. */

#ifndef MLPOT_MATRICES_H
#define MLPOT_MATRICES_H

#include "model/parameters.h"

namespace mlpot {

/* a (rows x inner) times b (inner x columns) */
inline Numbers multiply(const Numbers &a, const Numbers &b, int rows, int inner, int columns)
{
  Numbers c(static_cast<std::size_t>(rows) * columns, 0.0);
  for (int i = 0; i < rows; i++)
    for (int k = 0; k < inner; k++) {
      const double value = a[static_cast<std::size_t>(i) * inner + k];
      const double *from = b.data() + static_cast<std::size_t>(k) * columns;
      double *to = c.data() + static_cast<std::size_t>(i) * columns;
      for (int j = 0; j < columns; j++) to[j] += value * from[j];
    }
  return c;
}

inline Numbers transposed(const Numbers &a, int rows, int columns)
{
  Numbers b(a.size());
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++)
      b[static_cast<std::size_t>(j) * rows + i] = a[static_cast<std::size_t>(i) * columns + j];
  return b;
}

/* Part k of n equal ones. */
inline Numbers part(const Numbers &all, int k, int n)
{
  const auto size = static_cast<std::ptrdiff_t>(all.size() / n);
  return Numbers(all.begin() + k * size, all.begin() + (k + 1) * size);
}

inline Numbers scaled(Numbers values, double factor)
{
  for (double &value : values) value *= factor;
  return values;
}

}    // namespace mlpot

#endif
