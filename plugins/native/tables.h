/* SPDX-License-Identifier: MIT

   The parameters of a model as the kernels read them: linear maps that follow each other folded into
   one, constant factors folded in, rows padded, in the arithmetic T.

   Behind the contraction B_t of layer t everything up to the last readout is linear:

       h_t = B_t update_t + h_(t-1) skip_t,    E = scale (sum_t h_t . readout_t + w2 . silu(h_T W1))

   so each layer adds B_t . to_energy_t to the energy and B_t to_hidden_t to the hidden values. */

#ifndef MLPOT_TABLES_H
#define MLPOT_TABLES_H

#include "aligned_array.h"
#include "kernel.h"
#include "parameters.h"
#include "polynomial.h"

#include <deque>
#include <memory>
#include <vector>

namespace mlpot {

template <typename T> class Tables {
 public:
  Tables(Parameters parameters, const Kernels &kernels);
  Tables(const Tables &) = delete;
  Tables &operator=(const Tables &) = delete;

  ModelTables<T> model;    // points into this object

  /* Couplings times weights are large for many elements: made for those that occur. */
  void prepare_species(int species);
  double bytes() const;
  int message_channels() const { return parameters.architecture.message_channels; }

 private:
  Parameters parameters;
  int lanes, pack;
  std::deque<AlignedArray<T>> arrays;
  std::vector<std::unique_ptr<Polynomial>> polynomials;
  std::vector<std::vector<const T *>> polynomial_values;    // [layer][species]
  std::vector<std::vector<int>> couplings;                  // [layer]

  /* Matrix with padded rows; `scale` multiplies all values. */
  struct Block {
    const double *values;
    int rows, columns, row_stride, column_stride;
  };
  const T *pack_blocks(const std::vector<Block> &blocks, int padded_rows, int padded_columns,
                       double scale = 1.0);
  static Block matrix(const Numbers &values, std::size_t first, int rows, int columns);
  static Block transpose(const Block &block);

  void set_up_sizes();
  void add_species_mix(int index);
  void add_message_density(int index);
  void add_path_mix(int index, int degree);
  void add_couplings(int index);
  void add_polynomial(int index);
  void add_messages(int index);
  void add_readouts();
};

}    // namespace mlpot

#endif
