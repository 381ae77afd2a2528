/* SPDX-License-Identifier: MIT */

#include "polynomial.h"

#include <stdexcept>

namespace mlpot {

namespace {

  /* Monomials of one component: the columns up to the last that is not zero. */
  std::size_t width(const CouplingBlock &block, std::size_t component)
  {
    for (std::size_t monomial = block.n_monomials; monomial > 0; monomial--)
      for (std::size_t n = 0; n < block.n_couplings; n++)
        if (block.coefficient(component, n, monomial - 1) != 0.0) return monomial;
    return 0;
  }

}    // namespace

Polynomial::Polynomial(const LayerParameters &layer, const Architecture &a, int factor_stride) :
    nodes(1), n_species(a.n_species), n_channels(a.n_channels), n_degrees(layer.output_lmax + 1),
    stride(factor_stride)
{
  std::size_t lower = 0, n_lower = 1;
  for (std::size_t power = 0; power < layer.levels.size(); power++) {
    const std::size_t first = nodes.size();
    add_level(layer, power, lower, n_lower, a.n_harmonics());
    assign_components(layer, static_cast<int>(power) + 1, first);
    lower = first;
    n_lower = nodes.size() - first;
  }
  write(0);
}

void Polynomial::add_level(const LayerParameters &layer, std::size_t power, std::size_t lower,
                           std::size_t n_lower, int n_harmonics)
{
  const ProductLevel &level = layer.levels[power];
  for (std::size_t k = 0; k < level.previous.size(); k++) {
    const std::int64_t previous = level.previous[k], factor = level.factor[k];
    if (previous < 0 || static_cast<std::size_t>(previous) >= n_lower || factor < 0 ||
        factor >= n_harmonics)
      throw std::runtime_error("a product of the contraction has a factor that does not exist");
    nodes[lower + previous].children.push_back(nodes.size());
    nodes.emplace_back();
    nodes.back().factor = static_cast<int>(factor);
  }
}

/* The products of a level come in the order of the components that they are terms of; the rest only
   serves the next level. */
void Polynomial::assign_components(const LayerParameters &layer, int power, std::size_t first)
{
  std::size_t node = first;
  for (std::size_t index = 0; index < layer.blocks.size(); index++) {
    const CouplingBlock &block = layer.blocks[index];
    if (block.power != power) continue;
    for (int m = 0; m < 2 * block.degree + 1; m++) {
      const std::size_t n = width(block, m);
      if (n > nodes.size() - node)
        throw std::runtime_error("the contraction has fewer products than couplings");
      for (std::size_t k = 0; k < n; k++, node++) {
        nodes[node].component = block.degree * block.degree + m;
        nodes[node].block = index;
        nodes[node].row = m;
        nodes[node].monomial = k;
      }
    }
  }
}

void Polynomial::write(std::size_t index)
{
  const Node node = nodes[index];
  code.push_back(node.component);
  if (node.component >= 0) terms.push_back(index);
  std::vector<std::size_t> leaves, inner;
  for (const std::size_t child : node.children)
    (nodes[child].is_leaf() ? leaves : inner).push_back(child);
  write_leaves(leaves);
  code.push_back(static_cast<int>(inner.size()));
  for (const std::size_t child : inner) {
    code.push_back(nodes[child].factor * stride);
    write(child);
  }
}

void Polynomial::write_leaves(const std::vector<std::size_t> &leaves)
{
  const std::size_t n_groups = code.size();
  code.push_back(0);
  for (int component = 0; component < n_degrees * n_degrees; component++) {
    const std::size_t start = code.size();
    for (const std::size_t leaf : leaves) {
      if (nodes[leaf].component != component) continue;
      if (code.size() == start) {
        code.push_back(component);
        code.push_back(0);
        code[n_groups]++;
      }
      code[start + 1]++;
      code.push_back(nodes[leaf].factor * stride);
      terms.push_back(leaf);
    }
  }
}

Numbers Polynomial::values(const LayerParameters &layer, int species) const
{
  Numbers values(terms.size() * n_channels, 0.0);
  for (std::size_t t = 0; t < terms.size(); t++) {
    const Node &node = nodes[terms[t]];
    const CouplingBlock &block = layer.blocks[node.block];
    for (std::size_t n = 0; n < block.n_couplings; n++) {
      const double coefficient = block.coefficient(node.row, n, node.monomial);
      if (coefficient == 0.0) continue;
      const double *weights = &block.weights[(n * n_species + species) * n_channels];
      for (int c = 0; c < n_channels; c++) values[t * n_channels + c] += coefficient * weights[c];
    }
  }
  return values;
}

Numbers Polynomial::coefficients(const LayerParameters &layer) const
{
  std::vector<std::size_t> first;    // coupling of each block
  std::size_t n_couplings = 0;
  for (const CouplingBlock &block : layer.blocks) {
    first.push_back(n_couplings);
    n_couplings += block.n_couplings;
  }
  Numbers matrix(terms.size() * n_couplings, 0.0);
  for (std::size_t t = 0; t < terms.size(); t++) {
    const Node &node = nodes[terms[t]];
    const CouplingBlock &block = layer.blocks[node.block];
    for (std::size_t n = 0; n < block.n_couplings; n++)
      matrix[t * n_couplings + first[node.block] + n] =
          block.coefficient(node.row, n, node.monomial);
  }
  return matrix;
}

}    // namespace mlpot
