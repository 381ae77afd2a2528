/* SPDX-License-Identifier: MIT */

#include "check_training.h"

#include "training/trainer.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <stdexcept>
#include <vector>

namespace {

using Random = std::mt19937;
template <typename T> using Arrays = std::vector<std::vector<T>>;

double uniform(Random &random)
{
  return std::uniform_real_distribution<double>(-1.0, 1.0)(random);
}

/* Random atoms in a box, all of them neighbors of each other; a vector per list slot. */
struct Batch {
  static constexpr int N = 7;
  std::vector<int> species, centers, counts;
  std::vector<double> positions;
  std::vector<std::vector<int>> neighbors;
  std::vector<std::vector<double>> vectors;
  std::vector<int *> neighbor_list;
  std::vector<double *> vector_rows;
  std::vector<const double *> constant_rows;

  Batch(Random &random, int n_species) : neighbors(N), vectors(N)
  {
    for (int i = 0; i < N; i++) {
      species.push_back(i % n_species);
      centers.push_back(i);
      counts.push_back(N - 1);
      for (int k = 0; k < 3; k++) positions.push_back(1.2 * (i >> k & 1) + 0.2 * uniform(random));
      for (int j = 0; j < N; j++)
        if (j != i) neighbors[i].push_back(j);
      for (int k = 0; k < 3 * (N - 1); k++) vectors[i].push_back(uniform(random));
      neighbor_list.push_back(neighbors[i].data());
      vector_rows.push_back(vectors[i].data());
      constant_rows.push_back(vectors[i].data());
    }
  }

  mlpot::NativeAtoms atoms(const double *const *tangents, double *const *gradients) const
  {
    const mlpot_neighbors list = {
        counts.data(), neighbor_list.data(), nullptr, 0, 0, 0x7fffffff, 0};
    return {{N, N, species.data(), positions.data(), centers.data(), list, MLPOT_HOST_MEMORY},
            nullptr,
            nullptr,
            tangents,
            gradients};
  }
};

template <typename T> std::vector<const void *> pointers(const Arrays<T> &arrays)
{
  std::vector<const void *> result;
  for (const auto &array : arrays) result.push_back(array.data());
  return result;
}

/* sum_i e_i E_i + sum_ij v_ij . dE/dr_ij */
template <typename T>
double loss(mlpot::Trainer &trainer, const Arrays<T> &arrays, const Batch &batch,
            const std::vector<double> &energy_seeds)
{
  std::vector<double> energies(Batch::N);
  Batch gradients = batch;
  for (int i = 0; i < Batch::N; i++) {
    std::fill(gradients.vectors[i].begin(), gradients.vectors[i].end(), 0.0);
    gradients.vector_rows[i] = gradients.vectors[i].data();
  }
  mlpot_result result = {};
  result.failed_atom = -1;
  result.atomic_energies = energies.data();
  trainer.fill(pointers(arrays));
  trainer.evaluate(batch.atoms(nullptr, gradients.vector_rows.data()), result);
  double total = 0.0;
  for (int i = 0; i < Batch::N; i++) {
    total += energy_seeds[i] * energies[i];
    for (std::size_t k = 0; k < batch.vectors[i].size(); k++)
      total += batch.vectors[i][k] * gradients.vectors[i][k];
  }
  return total;
}

/* The middle value of each array. */
void compare(mlpot::Trainer &trainer, Arrays<double> arrays, const Batch &batch,
             const std::vector<double> &seeds, const Arrays<double> &gradients)
{
  double size = 1.0;
  for (const auto &gradient : gradients)
    for (const double value : gradient) size = std::max(size, std::abs(value));
  for (std::size_t k = 0; k < arrays.size(); k++) {
    if (arrays[k].empty()) continue;
    const std::size_t place = arrays[k].size() / 2;
    double &value = arrays[k][place];
    const double before = value, step = 1e-4;
    value = before + step;
    const double above = loss(trainer, arrays, batch, seeds);
    value = before - step;
    const double below = loss(trainer, arrays, batch, seeds);
    value = before;
    if (!(std::abs((above - below) / (2 * step) - gradients[k][place]) < 1e-6 * size))
      throw std::logic_error("a gradient is not the derivative of the loss");
  }
}

template <typename T> void check(const char *path, const char *precision, int n_threads)
{
  Random random(3);
  const mlpot::ModelFile file(path);
  mlpot::Parameters parameters = mlpot::read_members(file, mlpot::read_manifest(file)).front();
  const Batch batch(random, parameters.architecture.n_species);
  mlpot::ThreadPool pool(n_threads);
  const auto trainer = mlpot::make_trainer(std::move(parameters), precision, pool);
  Arrays<T> arrays, gradients;
  for (const std::size_t size : trainer->array_sizes()) {
    arrays.emplace_back(size);
    gradients.emplace_back(size);
    for (T &value : arrays.back()) value = static_cast<T>(0.3 * uniform(random));
  }
  std::vector<double> seeds;
  for (int i = 0; i < Batch::N; i++) seeds.push_back(uniform(random));
  std::vector<void *> places;
  for (auto &gradient : gradients) places.push_back(gradient.data());
  trainer->fill(pointers(arrays));
  trainer->differentiate(batch.atoms(batch.constant_rows.data(), nullptr), seeds.data(), places);
  if (!std::isfinite(loss(*trainer, arrays, batch, seeds)))
    throw std::logic_error("the loss of random tables is not finite");
  if constexpr (sizeof(T) == sizeof(double)) compare(*trainer, arrays, batch, seeds, gradients);
}

}    // namespace

void check_training(const char *path)
{
  for (const int n_threads : {1, 3}) {
    check<double>(path, "double", n_threads);
    check<float>(path, "mixed", n_threads);
  }
}
