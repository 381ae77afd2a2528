/* SPDX-License-Identifier: MIT */

#include "edge_sums.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mlpot {

namespace {

  [[noreturn]] void fail(int atom, const char *what, mlpot_result &result)
  {
    result.failed_atom = atom;
    throw std::runtime_error(std::string("the model gave ") + what +
                             " that is not a finite number");
  }

  void check_finite(const EdgeList &edges, const double *energies, const double *gradient,
                    mlpot_result &result)
  {
    for (int k = 0; k < edges.n_centers; k++)
      if (!std::isfinite(energies[k])) fail(edges.atoms[k], "an energy", result);
    for (std::int64_t k = 0; k < 3 * edges.n_edges(); k++)
      if (!std::isfinite(gradient[k])) fail(edges.atoms[edges.index[k / 3]], "a force", result);
  }

  void add_energies(const EdgeList &edges, const double *energies, mlpot_result &result)
  {
    for (int k = 0; k < edges.n_centers; k++) {
      result.energy += energies[k];
      if (result.atomic_energies) result.atomic_energies[edges.atoms[k]] += energies[k];
    }
  }

  /* -r (x) g of one edge, row major. */
  void edge_virial(const double *r, const double *g, double *virial)
  {
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++) virial[3 * a + b] = -r[a] * g[b];
  }

  void add_tensor(const double *tensor, double weight, double *sum)
  {
    for (int k = 0; k < 9; k++) sum[k] += weight * tensor[k];
  }

}    // namespace

void add_to_result(const EdgeList &edges, const double *energies, const double *gradient,
                   mlpot_result &result)
{
  check_finite(edges, energies, gradient, result);
  add_energies(edges, energies, result);
  const std::int64_t n_edges = edges.n_edges();
  for (std::int64_t k = 0; k < n_edges; k++) {
    const std::size_t i = edges.atoms[edges.index[k]];
    const std::size_t j = edges.atoms[edges.index[n_edges + k]];
    const double *g = gradient + 3 * k;
    double virial[9];
    edge_virial(&edges.vectors[3 * k], g, virial);
    add_tensor(virial, 1.0, result.virial);
    for (int a = 0; result.forces && a < 3; a++) {
      result.forces[3 * i + a] += g[a];
      result.forces[3 * j + a] -= g[a];
    }
    if (result.atomic_virials) {
      add_tensor(virial, 0.5, result.atomic_virials + 9 * i);
      add_tensor(virial, 0.5, result.atomic_virials + 9 * j);
    }
    if (result.centroid_virials) add_tensor(virial, 1.0, result.centroid_virials + 9 * j);
  }
}

void rows_to_host(const EdgeList &edges, std::int64_t n_rows, int width, const double *rows,
                  double *host)
{
  for (std::int64_t k = 0; k < n_rows; k++)
    std::copy_n(rows + k * width, width, host + static_cast<std::size_t>(edges.atoms[k]) * width);
}

void rows_from_host(const EdgeList &edges, std::int64_t n_rows, int width, const double *host,
                    double *rows)
{
  for (std::int64_t k = 0; k < n_rows; k++)
    std::copy_n(host + static_cast<std::size_t>(edges.atoms[k]) * width, width, rows + k * width);
}

}    // namespace mlpot
