/* SPDX-License-Identifier: MIT

   The product basis as a tree of monomials, encoded as integers for the kernels.

   A node is a product of components of the atomic basis. Its code is

       component of the result that it contributes to, or -1
       number of groups of leaves; for each: component, number of leaves, their last factors
       number of children that have children of their own; for each: last factor, code

   and each node with a component, leaves included, has one value per channel, in the same order: the
   sum over couplings of generalized Clebsch-Gordan coefficient times weight of the element. */

#ifndef MLPOT_POLYNOMIAL_H
#define MLPOT_POLYNOMIAL_H

#include "model/parameters.h"

#include <vector>

namespace mlpot {

class Polynomial {
 public:
  using Product = std::vector<int>;    // factors in order

  /* `factor_stride` multiplies every factor in the code. Throws std::runtime_error. */
  Polynomial(const LayerParameters &layer, const Architecture &architecture, int factor_stride);

  std::vector<int> code;
  int n_values() const { return static_cast<int>(terms.size()); }

  /* Values of one element, [node][channel]. */
  Numbers values(const LayerParameters &layer, int species) const;

  /* Factors of the weights of all couplings, block after block: [node][coupling]. */
  Numbers coefficients(const LayerParameters &layer) const;

 private:
  struct Node {
    Product product;
    int factor = 0, component = -1;
    std::size_t block = 0, row = 0, monomial = 0;    // where its coefficients are
    std::vector<std::size_t> children;

    bool is_leaf() const { return children.empty(); }
  };

  std::vector<Node> nodes;    // the root first
  std::vector<std::size_t> terms;
  int n_species, n_channels, n_degrees, stride;

  std::size_t add_node(const Product &product);
  std::vector<std::size_t> add_terms(const LayerParameters &layer, int power,
                                     const std::vector<Product> &products);
  void adopt(const std::vector<std::size_t> &children, std::vector<std::size_t> &parents);
  void write(std::size_t node);
  void write_leaves(const std::vector<std::size_t> &children);
};

}    // namespace mlpot

#endif
