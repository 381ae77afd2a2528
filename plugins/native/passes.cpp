/* SPDX-License-Identifier: MIT */

#include "passes.h"

#include "thread_sums.h"

#include <algorithm>

namespace mlpot {

namespace {

  template <typename T> void add(T &sum, T part)
  {
    sum += part;
  }

  template <typename T> void add(Dual<T> &sum, Dual<T> part)
  {
    sum.value += part.value;
    sum.tangent += part.tangent;
  }

}    // namespace

template <typename N>
Passes<N>::Passes(const Tables<Real<N>> &tables, ThreadPool &pool, Kernel kernel) :
    tables(tables), model(tables.model), pool(pool), kernel(kernel),
    lanes(choose_kernels().vector_bytes / static_cast<int>(sizeof(Real<N>))),
    workspaces(pool.size()), message_adjoints(pool.size())
{
}

template <typename N>
void Passes<N>::run(const NativeAtoms &atoms, const mlpot_communicator &comm,
                    const Complete &complete)
{
  const int last = model.n_layers - 1, n_atoms = atoms.atoms.n_atoms;
  prepare(atoms.atoms);
  for (int layer = 0; layer < last; layer++) {
    run_layer(layer, Pass::Forward, atoms, complete);
    send(layer, comm);
  }
  run_layer(last, Pass::Both, atoms, complete);
  for (int layer = last - 1; layer >= 0; layer--) {
    collect(n_atoms, comm);
    run_layer(layer, Pass::Backward, atoms, complete);
  }
}

template <typename N> void Passes<N>::prepare(const mlpot_atoms &atoms)
{
  int most = 0;
  for (int k = 0; k < atoms.n_centers; k++)
    most = std::max(most, atoms.n_neighbors[atoms.centers[k]]);
  for (auto &workspace : workspaces) workspace.prepare(model, most, lanes);
  if (model.n_layers == 1) return;
  const auto n_centers = static_cast<std::size_t>(atoms.n_centers);
  const auto n_atoms = static_cast<std::size_t>(atoms.n_atoms);
  hidden.reserve(n_centers * model.hidden_width);
  for (int layer = 0; layer < model.n_layers - 1; layer++)
    messages[layer].assign(n_atoms * model.message_width());
}

/* Adjoints of messages that a thread adds to. */
template <typename N> N *Passes<N>::clear_adjoints(int thread, int n_atoms)
{
  message_adjoints[thread].assign(static_cast<std::size_t>(n_atoms) * model.message_width());
  return message_adjoints[thread].data();
}

template <typename N>
void Passes<N>::run_layer(int layer, Pass pass, const NativeAtoms &host, const Complete &complete)
{
  const mlpot_atoms &atoms = host.atoms;
  const bool is_first = layer == 0, is_last = layer == model.n_layers - 1;
  // `collect` left the adjoints of this layer's messages in the first thread's array, which a layer
  // that has messages of a layer before it needs for the adjoints of those
  if (pass == Pass::Backward && !is_first) std::swap(arrived, message_adjoints[0]);
  pool.run([&](int thread) {
    Task<N> task = {};
    task.model = &model;
    task.layer = layer;
    task.pass = pass;
    task.neighborhood = {atoms.species,       atoms.positions,    atoms.centers,
                         atoms.n_neighbors,   atoms.neighbors,    host.offsets,
                         atoms.neighbor_mask, host.edge_tangents, host.edge_gradients};
    task.first = part_of(atoms.n_centers, thread, pool.size());
    task.last = part_of(atoms.n_centers, thread + 1, pool.size());
    task.messages_in = is_first ? nullptr : messages[layer - 1].data();
    task.messages_out = is_last || pass == Pass::Backward ? nullptr : messages[layer].data();
    task.adjoints_in = is_first || pass == Pass::Forward ? nullptr
                                                         : clear_adjoints(thread, atoms.n_atoms);
    task.adjoints_out = pass != Pass::Backward ? nullptr
        : is_first                             ? message_adjoints[0].data()
                                               : arrived.data();
    task.hidden = model.n_layers == 1 ? nullptr : hidden.data();
    task.workspace = &workspaces[thread].view;
    complete(thread, task);
    kernel(task);
  });
}

/* Hands rows to the communicator. Training has none: all atoms are in one place. */
template <typename N>
void Passes<N>::exchange(void (*call)(void *, const mlpot_rows *), void *context, N *values)
{
  if (!call) return;
  const mlpot_rows rows = {values, sizeof(N), model.message_components(), tables.message_channels(),
                           model.message_channels};
  call(context, &rows);
}

/* Messages of all atoms from those of the centres. */
template <typename N> void Passes<N>::send(int layer, const mlpot_communicator &comm)
{
  exchange(comm.forward, comm.context, messages[layer].data());
}

/* Adjoints of the centres' messages from those that all threads and ranks have found. */
template <typename N> void Passes<N>::collect(int n_atoms, const mlpot_communicator &comm)
{
  N *sum = message_adjoints[0].data();
  const std::size_t size = static_cast<std::size_t>(n_atoms) * model.message_width();
  for (int thread = 1; thread < pool.size(); thread++) {
    const N *part = message_adjoints[thread].data();
    for (std::size_t k = 0; k < size; k++) add(sum[k], part[k]);
  }
  exchange(comm.reverse, comm.context, sum);
}

template <typename N> double Passes<N>::bytes() const
{
  double total = static_cast<double>(hidden.bytes() + arrived.bytes());
  for (const auto &array : messages) total += static_cast<double>(array.bytes());
  for (const auto &array : message_adjoints) total += static_cast<double>(array.bytes());
  for (const auto &workspace : workspaces) total += static_cast<double>(workspace.bytes());
  return total;
}

template class Passes<float>;
template class Passes<double>;
template class Passes<Dual<float>>;
template class Passes<Dual<double>>;

}    // namespace mlpot
