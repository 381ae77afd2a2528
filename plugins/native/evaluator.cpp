/* SPDX-License-Identifier: MIT */

#include "evaluator.h"

#include "folded.h"

namespace mlpot {

namespace {

  auto kernel_of(const Kernels &kernels, float)
  {
    return kernels.run_float;
  }

  auto kernel_of(const Kernels &kernels, double)
  {
    return kernels.run_double;
  }

}    // namespace

template <typename T>
ModelEvaluator<T>::ModelEvaluator(Parameters parameters, int n_threads) :
    tables(std::move(parameters), Tables<T>::Polynomials::AsNeeded), pool(n_threads),
    passes(tables, pool, kernel_of(choose_kernels(), T())), sums(pool)
{
  const std::vector<Numbers> arrays = fold(tables.source());
  for (std::size_t index = 0; index < arrays.size(); index++)
    tables.fill(index, arrays[index].data());
}

template <typename T>
void ModelEvaluator<T>::compute(const NativeAtoms &host, const mlpot_communicator &comm,
                                mlpot_result &result)
{
  const mlpot_atoms &atoms = host.atoms;
  for (int k = 0; k < atoms.n_centers; k++) {
    const int species = atoms.species[atoms.centers[k]];
    if (species >= 0) tables.prepare_species(species);
  }
  sums.start(atoms.n_atoms, result);
  passes.run(host, comm, [this](int thread, Task<T> &task) {
    task.sums = sums.of_thread(thread);
  });
  sums.add_up(atoms.n_atoms, result);
}

template <typename T> double ModelEvaluator<T>::bytes() const
{
  return tables.bytes() + passes.bytes() + sums.bytes();
}

template class ModelEvaluator<float>;
template class ModelEvaluator<double>;

}    // namespace mlpot
