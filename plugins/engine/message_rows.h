/* SPDX-License-Identifier: MIT

   Copies rows of mlpot_rows to and from buffers of double numbers. */

#ifndef MLPOT_MESSAGE_ROWS_H
#define MLPOT_MESSAGE_ROWS_H

#include "engine_api.h"

#include <cstddef>
#include <type_traits>

namespace mlpot {

/* Calls action(value, k) for each value of a row, k from 0. */
template <typename V, typename Action>
void for_each_value(const mlpot_rows &rows, int atom, const Action &action)
{
  V *row = static_cast<V *>(rows.values) +
      static_cast<std::size_t>(atom) * rows.n_blocks * rows.block_stride;
  for (int block = 0; block < rows.n_blocks; block++)
    for (int k = 0; k < rows.block_width; k++)
      action(row[block * rows.block_stride + k], block * rows.block_width + k);
}

template <typename Action>
void for_each_value(const mlpot_rows &rows, int atom, const Action &action)
{
  if (rows.value_size == sizeof(float))
    for_each_value<float>(rows, atom, action);
  else
    for_each_value<double>(rows, atom, action);
}

inline void read_row(const mlpot_rows &rows, int atom, double *buffer)
{
  for_each_value(rows, atom, [buffer](auto &value, int k) {
    buffer[k] = value;
  });
}

inline void write_row(const mlpot_rows &rows, int atom, const double *buffer)
{
  for_each_value(rows, atom, [buffer](auto &value, int k) {
    value = static_cast<std::decay_t<decltype(value)>>(buffer[k]);
  });
}

inline void add_to_row(const mlpot_rows &rows, int atom, const double *buffer)
{
  for_each_value(rows, atom, [buffer](auto &value, int k) {
    value += static_cast<std::decay_t<decltype(value)>>(buffer[k]);
  });
}

inline int row_width(const mlpot_rows &rows)
{
  return rows.n_blocks * rows.block_width;
}

/* One row of `width` double numbers for each atom. */
inline mlpot_rows plain_rows(double *values, int width)
{
  return {values, sizeof(double), 1, width, width};
}

}    // namespace mlpot

#endif
