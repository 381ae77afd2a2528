/* SPDX-License-Identifier: MIT

   Copies rows of mlpot_rows to and from the buffers of a host, which are double numbers. Values keep their precision: two
   floats lie in one double. */

#ifndef MLPOT_MESSAGE_ROWS_H
#define MLPOT_MESSAGE_ROWS_H

#include "engine_api.h"

#include <cstddef>
#include <cstring>

namespace mlpot {

/* Doubles that hold the values of a row. */
inline int row_width(const mlpot_rows &rows)
{
  const int bytes = rows.n_blocks * rows.block_width * rows.value_size;
  return (bytes + static_cast<int>(sizeof(double)) - 1) / static_cast<int>(sizeof(double));
}

/* Calls action(place in the row, place in the buffer) for each block of a row. */
template <typename Byte, typename Action>
void for_each_block(const mlpot_rows &rows, int atom, Byte *buffer, const Action &action)
{
  const std::size_t stride = static_cast<std::size_t>(rows.block_stride) * rows.value_size;
  char *row = static_cast<char *>(rows.values) + atom * stride * rows.n_blocks;
  for (int block = 0; block < rows.n_blocks; block++)
    action(row + block * stride, buffer + block * rows.block_width * rows.value_size);
}

inline void read_row(const mlpot_rows &rows, int atom, double *buffer)
{
  const std::size_t bytes = static_cast<std::size_t>(rows.block_width) * rows.value_size;
  for_each_block(rows, atom, reinterpret_cast<char *>(buffer), [bytes](const char *row, char *to) {
    std::memcpy(to, row, bytes);
  });
}

inline void write_row(const mlpot_rows &rows, int atom, const double *buffer)
{
  const std::size_t bytes = static_cast<std::size_t>(rows.block_width) * rows.value_size;
  const auto from = reinterpret_cast<const char *>(buffer);
  for_each_block(rows, atom, from, [bytes](char *row, const char *values) {
    std::memcpy(row, values, bytes);
  });
}

template <typename V> void add_values(int n, char *sums, const char *values)
{
  for (int k = 0; k < n; k++) {
    V sum, value;
    std::memcpy(&sum, sums + k * sizeof(V), sizeof(V));
    std::memcpy(&value, values + k * sizeof(V), sizeof(V));
    sum += value;
    std::memcpy(sums + k * sizeof(V), &sum, sizeof(V));
  }
}

inline void add_to_row(const mlpot_rows &rows, int atom, const double *buffer)
{
  const auto from = reinterpret_cast<const char *>(buffer);
  const auto add = rows.value_size == sizeof(float) ? add_values<float> : add_values<double>;
  for_each_block(rows, atom, from, [&](char *row, const char *values) {
    add(rows.block_width, row, values);
  });
}

/* One row of `width` double numbers for each atom. */
inline mlpot_rows plain_rows(double *values, int width)
{
  return {values, sizeof(double), 1, width, width, MLPOT_HOST_MEMORY};
}

}    // namespace mlpot

#endif
