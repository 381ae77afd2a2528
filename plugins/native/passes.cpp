/* SPDX-License-Identifier: MIT */

#include "passes.h"

#include "thread_sums.h"

#include <algorithm>
#include <utility>

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
Passes<N>::Passes(Models members, const ModelTables<Real<N>> *committee, int sent_channels,
                  ThreadPool &pool, Kernel kernel) :
    members(std::move(members)), model(*this->members.front()), committee(committee),
    sent_channels(sent_channels),
    n_deviations(this->members.size() > 1 ? static_cast<int>(this->members.size()) - 1
                                          : model.n_deviations),
    pool(pool), kernel(kernel),
    lanes(choose_kernels().vector_bytes / static_cast<int>(sizeof(Real<N>))),
    workspaces(pool.size())
{
  adjoints.of_thread.resize(pool.size());
  deviation_adjoints.of_thread.resize(pool.size());
}

template <typename N>
void Passes<N>::run(const NativeAtoms &atoms, const mlpot_communicator &comm, const Wishes &wishes,
                    const Complete &complete)
{
  const int last = model.n_layers - 1, n_atoms = atoms.atoms.n_atoms;
  prepare(atoms.atoms, wishes);
  for (int layer = 0; layer < last; layer++) {
    run_layer(layer, Pass::Forward, atoms, wishes, complete);
    send(layer, comm);
  }
  run_layer(last, Pass::Both, atoms, wishes, complete);
  for (int layer = last - 1; layer >= 0; layer--) {
    collect(n_atoms, comm, wishes);
    run_layer(layer, Pass::Backward, atoms, wishes, complete);
  }
}

/* Deep committees need none: the adjoints of a member's messages are its own. */
template <typename N> bool Passes<N>::has_deviation_adjoints(const Wishes &wishes) const
{
  return wishes.deviation_forces && members.size() == 1;
}

template <typename N> void Passes<N>::prepare(const mlpot_atoms &atoms, const Wishes &wishes)
{
  int most = 0;
  for (int k = 0; k < atoms.n_centers; k++)
    most = std::max(most, atoms.n_neighbors[atoms.centers[k]]);
  for (auto &workspace : workspaces)
    workspace.prepare(committee ? *committee : model, static_cast<int>(members.size()), most,
                      lanes);
  const auto n_centers = static_cast<std::size_t>(atoms.n_centers);
  const auto n_atoms = static_cast<std::size_t>(atoms.n_atoms);
  if (wishes.descriptors) descriptors.reserve(n_centers * model.descriptor_width);
  if (model.n_layers == 1) return;
  hidden.reserve(n_centers * members.size() * model.hidden_width);
  if (has_deviation_adjoints(wishes))
    deviation_hidden.reserve(n_centers * n_deviations * model.hidden_width);
  for (int layer = 0; layer < model.n_layers - 1; layer++) {
    messages[layer].reserve(n_atoms *
                            message_stride());    // every row that is read is written before
    sent[layer].assign(n_atoms * message_stride());
  }
}

template <typename N> N *Passes<N>::Adjoints::clear(int thread, std::size_t size)
{
  of_thread[thread].assign(size);
  return of_thread[thread].data();
}

template <typename N> void Passes<N>::Adjoints::add_up(std::size_t size)
{
  N *sum = of_thread[0].data();
  for (std::size_t thread = 1; thread < of_thread.size(); thread++) {
    const N *part = of_thread[thread].data();
    for (std::size_t k = 0; k < size; k++) add(sum[k], part[k]);
  }
}

template <typename N> void Passes<N>::Adjoints::arrive(int layer)
{
  if (layer > 0) std::swap(between, of_thread[0]);
  arrived = layer > 0 ? between.data() : of_thread[0].data();
}

template <typename N> std::size_t Passes<N>::Adjoints::bytes() const
{
  std::size_t total = between.bytes();
  for (const auto &array : of_thread) total += array.bytes();
  return total;
}

template <typename N>
void Passes<N>::run_layer(int layer, Pass pass, const NativeAtoms &host, const Wishes &wishes,
                          const Complete &complete)
{
  const mlpot_atoms &atoms = host.atoms;
  const bool deviates = has_deviation_adjoints(wishes);
  if (pass == Pass::Backward) {
    adjoints.arrive(layer);
    if (deviates) deviation_adjoints.arrive(layer);
  }
  pool.run([&](int thread) {
    Task<N> task = make_task(layer, pass, host);
    task.first = part_of(atoms.n_centers, thread, pool.size());
    task.last = part_of(atoms.n_centers, thread + 1, pool.size());
    task.workspace = &workspaces[thread].view;
    if (wishes.descriptors) task.descriptors = descriptors.data();
    if (model.n_layers > 1) {
      give_messages(task, thread, atoms.n_atoms);
      if (deviates) give_deviations(task, thread, atoms.n_atoms);
    }
    complete(thread, task);
    kernel(task);
  });
}

template <typename N>
Task<N> Passes<N>::make_task(int layer, Pass pass, const NativeAtoms &host) const
{
  const mlpot_atoms &atoms = host.atoms;
  Task<N> task = {};
  task.model = &model;
  task.members = members.data();
  task.n_members = static_cast<int>(members.size());
  task.committee = committee;
  task.n_deviations = n_deviations;
  task.layer = layer;
  task.pass = pass;
  task.neighborhood = {atoms.species,      atoms.positions,    atoms.centers, atoms.n_neighbors,
                       atoms.neighbors,    host.offsets,       host.images,   atoms.neighbor_mask,
                       host.edge_tangents, host.edge_gradients};
  return task;
}

/* What travels between layers. */
template <typename N> void Passes<N>::give_messages(Task<N> &task, int thread, int n_atoms)
{
  const bool is_first = task.layer == 0, is_last = task.layer == model.n_layers - 1;
  task.message_stride = message_stride();
  task.hidden_stride = task.n_members * model.hidden_width;
  task.hidden = hidden.data();
  if (!is_first) task.messages_in = sent[task.layer - 1].data();
  if (!is_last) task.messages = messages[task.layer].data();
  if (!is_last) task.messages_out = sent[task.layer].data();
  if (!is_first && task.pass != Pass::Forward)
    task.adjoints_in =
        adjoints.clear(thread, static_cast<std::size_t>(n_atoms) * task.message_stride);
  if (task.pass == Pass::Backward) task.adjoints_out = adjoints.arrived;
}

/* The same for the deviations of a shallow committee. */
template <typename N> void Passes<N>::give_deviations(Task<N> &task, int thread, int n_atoms)
{
  task.deviation_stride = static_cast<std::size_t>(n_atoms) * task.message_stride;
  task.deviation_hidden = deviation_hidden.data();
  if (task.layer > 0 && task.pass != Pass::Forward)
    task.deviation_adjoints_in =
        deviation_adjoints.clear(thread, n_deviations * task.deviation_stride);
  if (task.pass == Pass::Backward) task.deviation_adjoints_out = deviation_adjoints.arrived;
}

/* Hands rows to the communicator. Training has none: all atoms are in one place. */
template <typename N>
void Passes<N>::exchange(void (*call)(void *, const mlpot_rows *), void *context, N *values)
{
  if (!call) return;
  const mlpot_rows rows = {values, sizeof(N),
                           static_cast<int>(members.size()) * model.message_components(),
                           sent_channels, model.message_channels};
  call(context, &rows);
}

/* Messages of all atoms from those of the centres. */
template <typename N> void Passes<N>::send(int layer, const mlpot_communicator &comm)
{
  exchange(comm.forward, comm.context, sent[layer].data());
}

/* Adjoints of the centres' messages from those that all threads and ranks have found. */
template <typename N>
void Passes<N>::collect(int n_atoms, const mlpot_communicator &comm, const Wishes &wishes)
{
  const std::size_t size = static_cast<std::size_t>(n_atoms) * message_stride();
  adjoints.add_up(size);
  exchange(comm.reverse, comm.context, adjoints.of_thread[0].data());
  if (!has_deviation_adjoints(wishes)) return;
  deviation_adjoints.add_up(n_deviations * size);
  for (int r = 0; r < n_deviations; r++)
    exchange(comm.reverse, comm.context, deviation_adjoints.of_thread[0].data() + r * size);
}

template <typename N> double Passes<N>::bytes() const
{
  double total =
      static_cast<double>(hidden.bytes() + deviation_hidden.bytes() + descriptors.bytes() +
                          adjoints.bytes() + deviation_adjoints.bytes());
  for (const auto &arrays : {messages, sent})
    for (int layer = 0; layer < MAX_LAYERS; layer++)
      total += static_cast<double>(arrays[layer].bytes());
  for (const auto &workspace : workspaces) total += static_cast<double>(workspace.bytes());
  return total;
}

template class Passes<float>;
template class Passes<double>;
template class Passes<Dual<float>>;
template class Passes<Dual<double>>;

}    // namespace mlpot
