/* SPDX-License-Identifier: MIT */

#include "evaluator.h"

#include "model/folded.h"

#include <algorithm>

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

  template <typename T>
  std::vector<std::unique_ptr<Tables<T>>> make_tables(std::vector<Parameters> members)
  {
    std::vector<std::unique_ptr<Tables<T>>> all;
    for (Parameters &parameters : members) {
      // the energies of members add up to their mean
      parameters.architecture.energy_scale /= static_cast<double>(members.size());
      all.push_back(std::make_unique<Tables<T>>(std::move(parameters),
                                                vector_widths<T>(choose_kernels()),
                                                Tables<T>::Polynomials::AsNeeded));
      const std::vector<Numbers> arrays = fold(all.back()->source());
      for (std::size_t index = 0; index < arrays.size(); index++)
        all.back()->fill(index, arrays[index].data());
    }
    return all;
  }

}    // namespace

template <typename T>
ModelEvaluator<T>::ModelEvaluator(std::vector<Parameters> members, int n_threads) :
    tables(make_tables<T>(std::move(members))),
    member_tables(tables[0]->source(), tables[0]->model, tables[0]->vector_lanes()),
    committee(tables.size() > 1 && tables[0]->model.n_layers == 1
                  ? std::make_unique<CommitteeTables<T>>(tables)
                  : nullptr),
    pool(n_threads),
    backend(models(), committee ? &committee->model : nullptr, tables[0]->message_channels(),
            vector_widths<T>(choose_kernels()), pool, kernel_of(choose_kernels(), T())),
    sums(pool)
{
}

template <typename T> typename CpuBackend<T>::Models ModelEvaluator<T>::models() const
{
  typename CpuBackend<T>::Models all;
  for (const auto &member : tables) all.push_back(&member->model);
  return all;
}

template <typename T>
void ModelEvaluator<T>::compute(const NativeAtoms &host, const mlpot_communicator &comm,
                                mlpot_result &result)
{
  const mlpot_atoms &atoms = host.atoms;
  for (int k = 0; k < atoms.n_centers; k++) {
    const int species = atoms.species[atoms.centers[k]];
    for (const auto &member : tables)
      if (species >= 0) member->prepare_species(species);
    if (species >= 0 && committee) committee->prepare_species(species);
  }
  const bool several_layers = tables[0]->model.n_layers > 1;
  const typename CpuBackend<T>::Request request = {
      result.member_forces || result.member_virials,
      host.descriptors || (several_layers && (result.feature_distances || result.distance_sums))};
  sums.start(atoms.n_atoms, backend.deviations(), result);
  backend.run(host, comm, request, [this](int thread, Task<T> &task) {
    task.sums = sums.of_thread(thread, backend.touched_atoms());
  });
  sums.add_up(backend.touched_atoms(), result);
  if (host.descriptors) copy_descriptors(atoms, host.descriptors);
}

template <typename T> int ModelEvaluator<T>::n_descriptors() const
{
  return static_cast<int>(tables[0]->source().n_descriptors());
}

/* Without the padding. */
template <typename T>
void ModelEvaluator<T>::copy_descriptors(const mlpot_atoms &atoms, double *descriptors) const
{
  const ModelTables<T> &model = tables[0]->model;
  const Architecture &a = tables[0]->source().architecture;
  for (int k = 0; k < atoms.n_centers; k++) {
    const T *row = backend.descriptors_of(k);
    double *to = descriptors + static_cast<std::size_t>(atoms.centers[k]) * n_descriptors();
    for (int layer = 0; layer < a.n_layers; layer++, row += model.n_channels)
      to = std::copy_n(row, a.n_channels, to);
    std::copy_n(row, a.readout_width, to);
  }
}

template <typename T> double ModelEvaluator<T>::bytes() const
{
  double total = member_tables.bytes() + backend.bytes() + sums.bytes();
  if (committee) total += committee->bytes();
  for (const auto &member : tables) total += member->bytes();
  return total;
}

template class ModelEvaluator<float>;
template class ModelEvaluator<double>;

}    // namespace mlpot
