/* SPDX-License-Identifier: MIT

   Runs model files through the native engine; compiled with the sanitizers of the compiler or for another
   processor.

       check_engine [model.pt ...]

   Without arguments, checks the neighbor search. A model that loads (which includes its self-test) is evaluated in
   both precisions, on one thread and on three, with and without periodic images, on atoms at the same place, and in
   training. A file that is refused must give a message. Each file gives one line on the standard output; for a
   good one, the energy of a chain of atoms and the sum of the absolute values of its forces, in float64. */

#include "check_neighbors.h"
#include "check_training.h"
#include "native_engine.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <vector>

namespace {

/* A chain of atoms of all elements, all of them neighbors of each other. */
struct Chain {
  std::vector<int> species, centers, counts;
  std::vector<double> positions;
  std::vector<std::vector<int>> rows;
  std::vector<int *> neighbors;

  Chain(int n, int n_elements, double spacing)
  {
    for (int i = 0; i < n; i++) {
      species.push_back(i % n_elements);
      centers.push_back(i);
      for (const double x : {spacing * i, std::sin(2.0 * i), std::cos(3.0 * i)})
        positions.push_back(x);
      rows.emplace_back();
      for (int j = 0; j < n; j++)
        if (j != i) rows[i].push_back(j);
    }
    for (auto &row : rows) {
      counts.push_back(static_cast<int>(row.size()));
      neighbors.push_back(row.data());
    }
  }

  mlpot_atoms atoms() const
  {
    const int n = static_cast<int>(species.size());
    return {n,
            n,
            species.data(),
            positions.data(),
            centers.data(),
            {counts.data(), neighbors.data(), nullptr, 0, 0, 0x7fffffff, 0},
            MLPOT_HOST_MEMORY};
  }
};

struct Results {
  double energy, force_size;
};

/* Results of the members: their mean must be the result of the committee, and error bars must be finite. */
struct Members {
  std::vector<double> energies, forces, virials, distances, distance_sums;

  Members(const mlpot_description &model, std::size_t n_atoms, mlpot_result &result)
  {
    if (model.has_distance) {
      distances.resize(n_atoms);
      distance_sums.resize(2 * n_atoms);
      result.feature_distances = distances.data();
      result.distance_sums = distance_sums.data();
    }
    if (model.n_members == 1) return;
    const std::size_t n = model.n_members;
    energies.resize(n);
    forces.resize(3 * n * n_atoms);
    virials.resize(9 * n);
    result.member_energies = energies.data();
    result.member_forces = forces.data();
    result.member_virials = virials.data();
  }

  void check(const mlpot::NativeEngine &engine, const Chain &chain,
             const mlpot_result &result) const
  {
    const std::size_t n = chain.species.size(), n_members = energies.size();
    for (std::size_t k = 0; n_members > 0 && k < 3 * n; k++) {
      double mean = 0.0, size = 1.0;
      for (std::size_t m = 0; m < n_members; m++) {
        mean += forces[3 * n * m + k] / static_cast<double>(n_members);
        size = std::max(size, std::abs(forces[3 * n * m + k]));
      }
      if (!(std::abs(mean - result.forces[k]) < 1e-9 * size))
        throw std::logic_error("the members do not average to the mean");
    }
    if (n_members == 0) return;
    std::vector<double> spread(n), sigma(n);
    const mlpot::ErrorBars &bars = engine.manifest().error_bars;
    bars.of_forces(
        {static_cast<int>(n), chain.species.data(), forces.data(), n, distance_sums.data()},
        spread.data(), bars.forces_calibrated() ? sigma.data() : nullptr);
    for (const double value : spread)
      if (!(value >= 0.0)) throw std::logic_error("a spread is not a number");
  }
};

/* Requests all arrays; forces must sum to zero. */
Results evaluate(mlpot::NativeEngine &engine, const Chain &chain)
{
  const std::size_t n = chain.species.size();
  std::vector<double> energies(n), forces(3 * n), virials(9 * n), centroids(9 * n);
  mlpot_result result = {};
  result.failed_atom = -1;
  result.atomic_energies = energies.data();
  result.forces = forces.data();
  result.atomic_virials = virials.data();
  result.centroid_virials = centroids.data();
  const Members members(engine.describe(), n, result);
  std::vector<double> descriptors(n * engine.n_descriptors());
  engine.compute_alone({chain.atoms(), nullptr, nullptr, nullptr, nullptr, descriptors.data()},
                       result);
  members.check(engine, chain, result);
  double sum = 0.0, size = 0.0;
  for (const double force : forces) {
    sum += force;
    size += std::abs(force);
  }
  if (!(std::abs(sum) < 1e-9 * (1.0 + size))) throw std::logic_error("forces do not sum to zero");
  return {result.energy, size};
}

void check_overlap(mlpot::NativeEngine &engine, int n_elements)
{
  Chain chain(4, n_elements, 1.5);
  for (int a = 0; a < 3; a++) chain.positions[3 + a] = chain.positions[a];
  try {
    evaluate(engine, chain);
  } catch (const std::runtime_error &) {
    return;
  }
  throw std::logic_error("atoms on top of each other have an energy");
}

Results check_model(const char *path)
{
  constexpr int LENGTH = 17;
  Results reference = {0.0, -1.0};
  for (const char *precision : {"double", "mixed"})
    for (const int n_threads : {1, 3}) {
      mlpot::NativeEngine engine({path, precision, "cpu", 0, n_threads, nullptr, 0},
                                 mlpot::ModelFile(path));
      const int n_elements = engine.describe().n_elements;
      for (const int n : {0, 1, 2}) evaluate(engine, Chain(n, n_elements, 1.1));
      const Results results = evaluate(engine, Chain(LENGTH, n_elements, 1.1));
      if (reference.force_size < 0.0) reference = results;
      if (!(std::abs(results.energy - reference.energy) < 1e-4 * std::abs(reference.energy)))
        throw std::logic_error("precisions or numbers of threads disagree");
      check_overlap(engine, n_elements);
      check_on_rows(engine);
    }
  check_training(path);
  return reference;
}

}    // namespace

int main(int argc, char **argv)
{
  int status = 0;
  if (argc == 1) {
    check_search();
    check_refusals();
  }
  for (int k = 1; k < argc; k++) {
    try {
      const Results results = check_model(argv[k]);
      std::printf("good %.17g %.17g\n", results.energy, results.force_size);
    } catch (const std::logic_error &error) {
      std::printf("WRONG %s\n", error.what());
      status = 1;
    } catch (const std::runtime_error &error) {
      std::printf("refused %s\n", error.what());
    }
  }
  return status;
}
