/* SPDX-License-Identifier: MIT */

#include "model/polynomial.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <stdexcept>

namespace mlpot {

namespace {

  using Product = Polynomial::Product;

  /* Monomials of one component: the columns up to the last that is not zero. */
  std::size_t width(const CouplingBlock &block, std::size_t component)
  {
    for (std::size_t monomial = block.n_monomials; monomial > 0; monomial--)
      for (std::size_t n = 0; n < block.n_couplings; n++)
        if (block.coefficient(component, n, monomial - 1) != 0.0) return monomial;
    return 0;
  }

  /* Products of a level, their factors in order. */
  std::vector<Product> products_of_level(const ProductLevel &level,
                                         const std::vector<Product> &lower, int n_harmonics)
  {
    std::vector<Product> products;
    for (std::size_t k = 0; k < level.previous.size(); k++) {
      const std::int64_t previous = level.previous[k], factor = level.factor[k];
      if (previous < 0 || static_cast<std::size_t>(previous) >= lower.size() || factor < 0 ||
          factor >= n_harmonics)
        throw std::runtime_error("a product of the product basis has a factor that does not exist");
      products.push_back(lower[previous]);
      products.back().push_back(static_cast<int>(factor));
      std::sort(products.back().begin(), products.back().end());
    }
    return products;
  }

  /* The product without one of its factors, for each of them. */
  std::set<Product> parts_of(const Product &product)
  {
    std::set<Product> parts;
    for (std::size_t k = 0; k < product.size(); k++) {
      Product part = product;
      part.erase(part.begin() + static_cast<std::ptrdiff_t>(k));
      parts.insert(part);
    }
    return parts;
  }

  /* The factor that a product has beyond a part of it. */
  int factor_between(const Product &part, const Product &whole)
  {
    return std::accumulate(whole.begin(), whole.end(), 0) -
        std::accumulate(part.begin(), part.end(), 0);
  }

}    // namespace

Polynomial::Polynomial(const LayerParameters &layer, const Architecture &a, int factor_stride) :
    n_species(a.n_species), n_channels(a.n_channels), n_degrees(layer.output_lmax + 1),
    stride(factor_stride)
{
  std::vector<Product> lower = {{}};
  std::vector<std::vector<std::size_t>> levels;    // the nodes that are terms
  for (std::size_t power = 0; power < layer.levels.size(); power++) {
    lower = products_of_level(layer.levels[power], lower, a.n_harmonics());
    levels.push_back(add_terms(layer, static_cast<int>(power) + 1, lower));
  }
  std::vector<std::size_t> root = {add_node({})};
  for (std::size_t power = levels.size(); power > 0; power--)
    adopt(levels[power - 1], power > 1 ? levels[power - 2] : root);
  write(root[0]);
}

std::size_t Polynomial::add_node(const Product &product)
{
  nodes.emplace_back();
  nodes.back().product = product;
  return nodes.size() - 1;
}

/* The products of a level are sorted by the component that they contribute to; the rest is used by the next level
   only. */
std::vector<std::size_t> Polynomial::add_terms(const LayerParameters &layer, int power,
                                               const std::vector<Product> &products)
{
  std::vector<std::size_t> added;
  for (std::size_t index = 0; index < layer.blocks.size(); index++) {
    const CouplingBlock &block = layer.blocks[index];
    if (block.power != power) continue;
    for (int m = 0; m < 2 * block.degree + 1; m++) {
      const std::size_t n = width(block, m);
      if (n > products.size() - added.size())
        throw std::runtime_error("the product basis has fewer products than couplings");
      for (std::size_t k = 0; k < n; k++) {
        added.push_back(add_node(products[added.size()]));
        Node &node = nodes.back();
        node.component = block.degree * block.degree + m;
        node.block = index;
        node.row = m;
        node.monomial = k;
      }
    }
  }
  return added;
}

/* A product can be the child of any product that lacks one of its factors. Few parents with many children are cheaper
   than many with few, so the product with most remaining children is chosen next. Products that are no terms are
   added to `parents`. */
void Polynomial::adopt(const std::vector<std::size_t> &children, std::vector<std::size_t> &parents)
{
  std::map<Product, std::set<std::size_t>> possible_children;
  for (const std::size_t child : children)
    for (const Product &part : parts_of(nodes[child].product))
      possible_children[part].insert(child);
  while (!possible_children.empty()) {
    const auto most = std::max_element(possible_children.begin(), possible_children.end(),
                                       [](const auto &a, const auto &b) {
                                         return a.second.size() < b.second.size();
                                       });
    const Product product = most->first;
    const std::set<std::size_t> adopted = most->second;
    possible_children.erase(most);
    if (adopted.empty()) continue;
    auto parent = std::find_if(parents.begin(), parents.end(), [&](std::size_t node) {
      return nodes[node].product == product;
    });
    if (parent == parents.end()) parent = parents.insert(parent, add_node(product));
    for (const std::size_t child : adopted) {
      nodes[*parent].children.push_back(child);
      nodes[child].factor = factor_between(product, nodes[child].product);
      for (const Product &part : parts_of(nodes[child].product))
        if (part != product) possible_children[part].erase(child);
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
