/* SPDX-License-Identifier: MIT

   The tables of a model for the kernels: rows padded, in the arithmetic T. Learned tables lie one after
   the other in one block of memory, so that gradients can use another block of the same layout. They are
   filled from the plain arrays of folded.h. */

#ifndef MLPOT_TABLES_H
#define MLPOT_TABLES_H

#include "kernels/aligned_array.h"
#include "kernels/vector_widths.h"
#include "model/parameters.h"
#include "model/polynomial.h"

#include <deque>
#include <memory>
#include <vector>

namespace mlpot {

template <typename T> class Tables {
 public:
  /* Whether the polynomials of all elements are allocated, or those of an element at its first
     prepare_species, for models of many elements of which few occur. */
  enum class Polynomials { All, AsNeeded };

  Tables(Parameters parameters, VectorWidths widths, Polynomials which);
  Tables(const Tables &) = delete;
  Tables &operator=(const Tables &) = delete;

  ModelTables<T> model;    // points into this object

  /* fill() copies array `index`, in the order of folded.h, to its table; read_gradient() copies back. */
  std::size_t n_arrays() const { return layouts.size(); }
  std::size_t array_size(std::size_t index) const { return layouts[index].array_size; }
  template <typename S> void fill(std::size_t index, const S *array);
  void read_gradient(std::size_t index, const T *gradients, T *array) const;

  const T *learned() const { return memory.data(); }
  std::size_t n_learned() const { return used; }

  void prepare_species(int species);

  /* Other elements for tables of the same sizes, in training. Empty without ZBL repulsion: charge, radius. */
  void set_elements(const Numbers &reference_energies, const Numbers &charge,
                    const Numbers &radius);
  double bytes() const;
  int vector_lanes() const { return lanes; }
  int message_channels() const { return parameters.architecture.message_channels; }
  const Polynomial &polynomial(int layer) const { return *polynomials[layer]; }
  const Parameters &source() const { return parameters; }

 private:
  /* rows x columns values of a plain array and their places in a table. */
  struct Patch {
    int rows, columns;
    std::size_t from;
    int from_row, from_column;
    std::size_t to;
    int to_row, to_column;
  };
  struct Layout {
    std::size_t array_size;
    std::vector<Patch> patches, transposed_patches;    // places in `memory` and in `mirror`
  };

  Parameters parameters;
  int lanes, pack;
  AlignedArray<T> memory, mirror;    // learned tables; transposes of some of them
  std::size_t used = 0, mirrored = 0;
  std::vector<Layout> layouts;
  std::deque<AlignedArray<T>> constants;    // and polynomials added by prepare_species
  std::vector<std::unique_ptr<Polynomial>> polynomials;
  std::vector<std::vector<ElementTables<T>>> elements;    // [layer][species]
  std::vector<std::vector<int>> couplings;                // [layer]

  void set_up_sizes();
  void add_density_gate();
  void add_radial_scale();
  void lay_out(Polynomials which);
  void lay_out_mix();
  void lay_out_message_density(int index);
  void lay_out_polynomial(int index);
  void lay_out_readout(int index);
  void lay_out_messages(int index);
  const T *add_table(std::size_t array_size, std::size_t size, std::vector<Patch> patches);
  const T *add_transposed(std::size_t size, std::vector<Patch> patches);
  const T *add_matrices(const T *&transposed, int n, int rows, int columns, int padded_rows,
                        int padded_columns, int columns_of_transposed);
  Patch polynomial_patch(std::size_t from, std::size_t to, int n_nodes) const;
  void add_couplings(int index);
  void add_polynomial(int index);
};

}    // namespace mlpot

#endif
