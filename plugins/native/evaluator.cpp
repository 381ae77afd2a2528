/* SPDX-License-Identifier: MIT */

#include "evaluator.h"

#include <algorithm>
#include <stdexcept>

namespace mlpot {

namespace {

  void run_kernel(const Kernels &kernels, const Task<float> &task)
  {
    kernels.run_float(task);
  }

  void run_kernel(const Kernels &kernels, const Task<double> &task)
  {
    kernels.run_double(task);
  }

  void add(double *sum, const double *part, std::size_t first, std::size_t last)
  {
    for (std::size_t k = first; k < last; k++) sum[k] += part[k];
  }

  /* Part `index` of `n` things in `parts` equal parts. */
  int part(int n, int index, int parts)
  {
    return static_cast<int>(static_cast<long long>(n) * index / parts);
  }

}    // namespace

template <typename T>
LayerEvaluator<T>::LayerEvaluator(Parameters parameters, int n_threads) :
    kernels(choose_kernels()), tables(std::move(parameters), kernels), pool(n_threads),
    workspaces(pool.size()), thread_sums(pool.size()), message_adjoints(pool.size())
{
}

template <typename T>
void LayerEvaluator<T>::compute(const NativeAtoms &atoms, const mlpot_communicator &comm,
                                mlpot_result &result)
{
  const int last = tables.model.n_layers - 1, n_atoms = atoms.atoms.n_atoms;
  prepare(atoms);
  start_sums(n_atoms, result);
  for (int layer = 0; layer < last; layer++) {
    run(layer, Pass::Forward, atoms);
    send(layer, n_atoms, comm);
  }
  run(last, Pass::Both, atoms);
  for (int layer = last - 1; layer >= 0; layer--) {
    collect(n_atoms, comm);
    run(layer, Pass::Backward, atoms);
  }
  add_up(n_atoms, result);
  stop_on_failure(result);
}

template <typename T> void LayerEvaluator<T>::prepare(const NativeAtoms &host)
{
  const mlpot_atoms &atoms = host.atoms;
  int most = 0;
  for (int k = 0; k < atoms.n_centers; k++) {
    const int i = atoms.centers[k];
    most = std::max(most, atoms.n_neighbors[i]);
    if (atoms.species[i] >= 0) tables.prepare_species(atoms.species[i]);
  }
  const int lanes = kernels.vector_bytes / static_cast<int>(sizeof(T));
  for (auto &workspace : workspaces) workspace.prepare(tables.model, most, lanes);
  const ModelTables<T> &model = tables.model;
  const auto n_centers = static_cast<std::size_t>(atoms.n_centers);
  const auto n_atoms = static_cast<std::size_t>(atoms.n_atoms);
  if (model.n_layers == 1) return;
  hidden.reserve(n_centers * model.hidden_width);
  exchanged.reserve(n_atoms * host_width());
  for (int layer = 0; layer < model.n_layers - 1; layer++)
    messages[layer].assign(n_atoms * model.message_width());
}

template <typename T> void LayerEvaluator<T>::start_sums(int n_atoms, const mlpot_result &result)
{
  const auto own = [n_atoms](AlignedArray<double> &array, const double *wanted, std::size_t width) {
    if (!wanted) return static_cast<double *>(nullptr);
    array.assign(n_atoms * width);
    return array.data();
  };
  for (std::size_t index = 0; index < thread_sums.size(); index++) {
    ThreadSums &own_sums = thread_sums[index];
    own_sums.sums = {};
    own_sums.sums.failed_atom = -1;
    own_sums.sums.atomic_energies =
        result.atomic_energies;    // of the centres: no two threads meet
    own_sums.sums.forces = result.forces;
    own_sums.sums.atomic_virials = result.atomic_virials;
    own_sums.sums.centroid_virials = result.centroid_virials;
    if (index == 0) continue;
    own_sums.sums.forces = own(own_sums.forces, result.forces, 3);
    own_sums.sums.atomic_virials = own(own_sums.atomic_virials, result.atomic_virials, 9);
    own_sums.sums.centroid_virials = own(own_sums.centroid_virials, result.centroid_virials, 9);
  }
}

/* Adjoints of messages that a thread adds to. */
template <typename T> T *LayerEvaluator<T>::clear_adjoints(int thread, int n_atoms)
{
  message_adjoints[thread].assign(static_cast<std::size_t>(n_atoms) * tables.model.message_width());
  return message_adjoints[thread].data();
}

template <typename T> void LayerEvaluator<T>::run(int layer, Pass pass, const NativeAtoms &host)
{
  const mlpot_atoms &atoms = host.atoms;
  const bool is_first = layer == 0, is_last = layer == tables.model.n_layers - 1;
  // `collect` left the adjoints of this layer's messages in the first thread's array
  if (pass == Pass::Backward) std::swap(arrived, message_adjoints[0]);
  pool.run([&](int thread) {
    Task<T> task = {};
    task.model = &tables.model;
    task.layer = layer;
    task.pass = pass;
    task.neighborhood = {atoms.species,   atoms.positions, atoms.centers,      atoms.n_neighbors,
                         atoms.neighbors, host.offsets,    atoms.neighbor_mask};
    task.first = part(atoms.n_centers, thread, pool.size());
    task.last = part(atoms.n_centers, thread + 1, pool.size());
    task.messages_in = is_first ? nullptr : messages[layer - 1].data();
    task.messages_out = is_last || pass == Pass::Backward ? nullptr : messages[layer].data();
    task.adjoints_in = is_first || pass == Pass::Forward ? nullptr
                                                         : clear_adjoints(thread, atoms.n_atoms);
    task.adjoints_out = pass == Pass::Backward ? arrived.data() : nullptr;
    task.hidden = tables.model.n_layers == 1 ? nullptr : hidden.data();
    task.workspace = &workspaces[thread].view;
    task.sums = &thread_sums[thread].sums;
    run_kernel(kernels, task);
  });
}

template <typename T> int LayerEvaluator<T>::host_width() const
{
  return tables.model.message_components() * tables.message_channels();
}

template <typename T> void LayerEvaluator<T>::to_host(const T *rows, int n_atoms)
{
  const int channels = tables.message_channels(), padded = tables.model.message_channels;
  const std::size_t n = static_cast<std::size_t>(n_atoms) * tables.model.message_components();
  for (std::size_t k = 0; k < n; k++)
    std::copy_n(rows + k * padded, channels, exchanged.data() + k * channels);
}

template <typename T> void LayerEvaluator<T>::from_host(int n_atoms, T *rows)
{
  const int channels = tables.message_channels(), padded = tables.model.message_channels;
  const std::size_t n = static_cast<std::size_t>(n_atoms) * tables.model.message_components();
  for (std::size_t k = 0; k < n; k++)
    for (int c = 0; c < channels; c++)
      rows[k * padded + c] = static_cast<T>(exchanged[k * channels + c]);
}

/* Messages of all atoms from those of the centres. */
template <typename T>
void LayerEvaluator<T>::send(int layer, int n_atoms, const mlpot_communicator &comm)
{
  if (!comm.forward) return;
  to_host(messages[layer].data(), n_atoms);
  comm.forward(comm.context, host_width(), exchanged.data());
  from_host(n_atoms, messages[layer].data());
}

/* Adjoints of the centres' messages from those that all threads and ranks have found. */
template <typename T> void LayerEvaluator<T>::collect(int n_atoms, const mlpot_communicator &comm)
{
  T *sum = message_adjoints[0].data();
  const std::size_t size = static_cast<std::size_t>(n_atoms) * tables.model.message_width();
  for (int thread = 1; thread < pool.size(); thread++) {
    const T *part = message_adjoints[thread].data();
    for (std::size_t k = 0; k < size; k++) sum[k] += part[k];
  }
  if (!comm.reverse) return;
  to_host(sum, n_atoms);
  comm.reverse(comm.context, host_width(), exchanged.data());
  from_host(n_atoms, sum);
}

template <typename T> void LayerEvaluator<T>::add_up(int n_atoms, mlpot_result &result)
{
  for (const ThreadSums &own : thread_sums) {
    result.energy += own.sums.energy;
    add(result.virial, own.sums.virial, 0, 9);
  }
  if (pool.size() == 1) return;
  pool.run([&](int index) {
    const std::size_t first = part(n_atoms, index, pool.size());
    const std::size_t last = part(n_atoms, index + 1, pool.size());
    for (std::size_t thread = 1; thread < thread_sums.size(); thread++) {
      const Sums &sums = thread_sums[thread].sums;
      if (result.forces) add(result.forces, sums.forces, 3 * first, 3 * last);
      if (result.atomic_virials)
        add(result.atomic_virials, sums.atomic_virials, 9 * first, 9 * last);
      if (result.centroid_virials)
        add(result.centroid_virials, sums.centroid_virials, 9 * first, 9 * last);
    }
  });
}

template <typename T> void LayerEvaluator<T>::stop_on_failure(mlpot_result &result) const
{
  for (const ThreadSums &own : thread_sums) {
    if (own.sums.failed_atom < 0) continue;
    result.failed_atom = own.sums.failed_atom;
    throw std::runtime_error(std::string("the model gave ") +
                             (own.sums.failed_energy ? "an energy" : "a force") +
                             " that is not a finite number");
  }
}

template <typename T> double LayerEvaluator<T>::bytes() const
{
  double total = tables.bytes() + static_cast<double>(hidden.bytes() + arrived.bytes());
  total += static_cast<double>(exchanged.bytes());
  for (const auto &array : messages) total += static_cast<double>(array.bytes());
  for (const auto &array : message_adjoints) total += static_cast<double>(array.bytes());
  for (const auto &workspace : workspaces) total += static_cast<double>(workspace.bytes());
  for (const ThreadSums &own : thread_sums)
    total += static_cast<double>(own.forces.bytes() + own.atomic_virials.bytes() +
                                 own.centroid_virials.bytes());
  return total;
}

template class LayerEvaluator<float>;
template class LayerEvaluator<double>;

}    // namespace mlpot
