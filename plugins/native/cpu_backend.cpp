/* SPDX-License-Identifier: MIT */

#include "cpu_backend.h"

#include "threads/center_order.h"
#include "threads/thread_sums.h"

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
CpuBackend<N>::CpuBackend(Models members, const ModelTables<Real<N>> *side_by_side,
                          int message_channels, VectorWidths widths, ThreadPool &pool,
                          Kernel kernel) :
    members(std::move(members)), model(*this->members.front()), side_by_side(side_by_side),
    message_channels(message_channels),
    n_deviations(this->members.size() > 1 ? static_cast<int>(this->members.size()) - 1
                                          : model.n_deviations),
    pool(pool), kernel(kernel), lanes(widths.lanes), workspaces(pool.size()), touched(pool.size()),
    orders(pool.size())
{
  adjoints.of_thread.resize(pool.size());
  deviation_adjoints.of_thread.resize(pool.size());
}

/* The backend with the arguments of one run. */
template <typename N> class CpuBackend<N>::Evaluation : public LayerBackend {
 public:
  Evaluation(CpuBackend &backend, const NativeAtoms &atoms, const Request &request,
             const FillTask &fill_task) :
      backend(backend), atoms(atoms), request(request), fill_task(fill_task)
  {
  }

  int n_layers() const override { return backend.model.n_layers; }
  void run_layer(int layer, Pass pass) override
  {
    backend.run_layer(layer, pass, atoms, request, fill_task);
  }
  mlpot_rows messages(int layer) override
  {
    return backend.rows_of(backend.damped_messages[layer].data());
  }
  std::vector<mlpot_rows> adjoints() override
  {
    return backend.add_up_adjoints(atoms.atoms.n_atoms, request);
  }

 private:
  CpuBackend &backend;
  const NativeAtoms &atoms;
  const Request &request;
  const FillTask &fill_task;
};

template <typename N>
void CpuBackend<N>::run(const NativeAtoms &atoms, const mlpot_communicator &comm,
                        const Request &request, const FillTask &fill_task)
{
  prepare(atoms.atoms, request);
  Evaluation evaluation(*this, atoms, request, fill_task);
  run_layers(evaluation, comm);
}

/* Shallow committees only: in deep ones, each member has messages and adjoints of its own. */
template <typename N> bool CpuBackend<N>::has_deviation_adjoints(const Request &request) const
{
  return request.deviation_forces && members.size() == 1;
}

template <typename N> void CpuBackend<N>::prepare(const mlpot_atoms &atoms, const Request &request)
{
  int most = 0;
  for (int k = 0; k < atoms.n_centers; k++)
    most = std::max(most, atoms.neighbors.counts[atoms.centers[k]]);
  for (auto &workspace : workspaces)
    workspace.prepare(side_by_side ? *side_by_side : model, static_cast<int>(members.size()), most,
                      lanes);
  const auto n_centers = static_cast<std::size_t>(atoms.n_centers);
  const auto n_atoms = static_cast<std::size_t>(atoms.n_atoms);
  touched.prepare(atoms);
  if (request.descriptors) descriptors.reserve(n_centers * model.descriptor_width);
  if (model.n_layers == 1) return;
  hidden.reserve(n_centers * members.size() * model.hidden_width);
  if (has_deviation_adjoints(request))
    deviation_hidden.reserve(n_centers * n_deviations * model.hidden_width);
  for (int layer = 0; layer < model.n_layers - 1; layer++) {
    messages[layer].reserve(n_atoms * message_stride());    // rows are written before they are read
    damped_messages[layer].reserve(n_atoms * message_stride());
  }
  pool.run([&](int thread) {    // atoms that are not centers may have no message
    const std::size_t first = part_of(atoms.n_atoms, thread, pool.size());
    const std::size_t last = part_of(atoms.n_atoms, thread + 1, pool.size());
    for (int layer = 0; layer < model.n_layers - 1; layer++)
      std::fill(damped_messages[layer].data() + first * message_stride(),
                damped_messages[layer].data() + last * message_stride(), N{});
  });
}

template <typename N>
N *CpuBackend<N>::Adjoints::clear(int thread, int n_deviations, int n_atoms, int width,
                                  const TouchedAtoms &touched)
{
  const std::size_t size = static_cast<std::size_t>(n_atoms) * width;
  of_thread[thread].reserve(n_deviations * size);
  N *values = of_thread[thread].data();
  for (int r = 0; r < n_deviations; r++)
    touched.for_each(thread, [&](std::size_t first, std::size_t last) {
      std::fill(values + r * size + first * width, values + r * size + last * width, N{});
    });
  return values;
}

template <typename N>
void CpuBackend<N>::Adjoints::add_up(ThreadPool &pool, int n_deviations, int n_atoms, int width,
                                     const TouchedAtoms &touched)
{
  const std::size_t size = static_cast<std::size_t>(n_atoms) * width;
  pool.run([&](int index) {
    for (int r = 0; r < n_deviations; r++) {
      N *sum = of_thread[0].data() + r * size;
      touched.add_up(
          index,
          [&](std::size_t first, std::size_t last) {
            std::fill(sum + first * width, sum + last * width, N{});
          },
          [&](int thread, std::size_t first, std::size_t last) {
            const N *part = of_thread[thread].data() + r * size;
            for (std::size_t k = first * width; k < last * width; k++) add(sum[k], part[k]);
          },
          [](std::size_t, std::size_t) {
          });
    }
  });
}

template <typename N> void CpuBackend<N>::Adjoints::arrive(int layer)
{
  if (layer > 0) std::swap(between, of_thread[0]);
  arrived = layer > 0 ? between.data() : of_thread[0].data();
}

template <typename N> std::size_t CpuBackend<N>::Adjoints::bytes() const
{
  std::size_t total = between.bytes();
  for (const auto &array : of_thread) total += array.bytes();
  return total;
}

template <typename N>
void CpuBackend<N>::run_layer(int layer, Pass pass, const NativeAtoms &host, const Request &request,
                              const FillTask &fill_task)
{
  const mlpot_atoms &atoms = host.atoms;
  const bool deviates = has_deviation_adjoints(request);
  if (pass == Pass::Backward) {
    adjoints.arrive(layer);
    if (deviates) deviation_adjoints.arrive(layer);
  }
  pool.run([&](int thread) {
    Task<N> task = make_task(layer, pass, host);
    task.first = part_of(atoms.n_centers, thread, pool.size());
    task.last = part_of(atoms.n_centers, thread + 1, pool.size());
    task.workspace = &workspaces[thread].view;
    if (layer == 0 && pass != Pass::Backward) {
      touched.find(thread, atoms);
      find_order(atoms, task.first, task.last, model.n_species, orders[thread]);
    }
    if (!orders[thread].empty()) task.order = orders[thread].data();
    if (request.descriptors) task.descriptors = descriptors.data();
    if (model.n_layers > 1) {
      set_messages(task, thread, atoms.n_atoms);
      if (deviates) set_deviations(task, thread, atoms.n_atoms);
    }
    fill_task(thread, task);
    kernel(task);
  });
}

template <typename N>
Task<N> CpuBackend<N>::make_task(int layer, Pass pass, const NativeAtoms &host) const
{
  const mlpot_atoms &atoms = host.atoms;
  Task<N> task = {};
  task.model = &model;
  task.ensemble.members = members.data();
  task.ensemble.n_members = static_cast<int>(members.size());
  task.ensemble.side_by_side = side_by_side;
  task.ensemble.n_deviations = n_deviations;
  task.layer = layer;
  task.pass = pass;
  task.neighborhood = {
      atoms.species,        atoms.positions,    atoms.centers, atoms.neighbors.counts,
      atoms.neighbors.rows, host.offsets,       host.images,   atoms.neighbors.mask,
      host.edge_tangents,   host.edge_gradients};
  return task;
}

/* Arrays that are kept between layers. */
template <typename N> void CpuBackend<N>::set_messages(Task<N> &task, int thread, int n_atoms)
{
  const bool is_first = task.layer == 0, is_last = task.layer == model.n_layers - 1;
  task.state.message_stride = message_stride();
  task.state.hidden_stride = task.ensemble.n_members * model.hidden_width;
  task.state.hidden = hidden.data();
  if (!is_first) task.state.messages_in = damped_messages[task.layer - 1].data();
  if (!is_last) task.state.messages = messages[task.layer].data();
  if (!is_last) task.state.damped_messages = damped_messages[task.layer].data();
  if (!is_first && task.pass != Pass::Forward)
    task.state.adjoints_in = adjoints.clear(thread, 1, n_atoms, message_stride(), touched);
  if (task.pass == Pass::Backward) task.state.adjoints_out = adjoints.arrived;
}

/* The same for the deviations of a shallow committee. */
template <typename N> void CpuBackend<N>::set_deviations(Task<N> &task, int thread, int n_atoms)
{
  task.ensemble.deviation_stride = static_cast<std::size_t>(n_atoms) * task.state.message_stride;
  task.ensemble.deviation_hidden = deviation_hidden.data();
  if (task.layer > 0 && task.pass != Pass::Forward)
    task.ensemble.deviation_adjoints_in =
        deviation_adjoints.clear(thread, n_deviations, n_atoms, message_stride(), touched);
  if (task.pass == Pass::Backward)
    task.ensemble.deviation_adjoints_out = deviation_adjoints.arrived;
}

template <typename N> mlpot_rows CpuBackend<N>::rows_of(N *values) const
{
  return {values,
          sizeof(N),
          static_cast<int>(members.size()) * model.message_components(),
          message_channels,
          model.message_channels,
          MLPOT_HOST_MEMORY};
}

/* Over the threads. */
template <typename N>
std::vector<mlpot_rows> CpuBackend<N>::add_up_adjoints(int n_atoms, const Request &request)
{
  adjoints.add_up(pool, 1, n_atoms, message_stride(), touched);
  std::vector<mlpot_rows> sums = {rows_of(adjoints.of_thread[0].data())};
  if (!has_deviation_adjoints(request)) return sums;
  deviation_adjoints.add_up(pool, n_deviations, n_atoms, message_stride(), touched);
  const std::size_t size = static_cast<std::size_t>(n_atoms) * message_stride();
  for (int r = 0; r < n_deviations; r++)
    sums.push_back(rows_of(deviation_adjoints.of_thread[0].data() + r * size));
  return sums;
}

template <typename N> double CpuBackend<N>::bytes() const
{
  double total =
      static_cast<double>(hidden.bytes() + deviation_hidden.bytes() + descriptors.bytes() +
                          adjoints.bytes() + deviation_adjoints.bytes());
  for (const auto &arrays : {messages, damped_messages})
    for (int layer = 0; layer < MAX_LAYERS; layer++)
      total += static_cast<double>(arrays[layer].bytes());
  for (const auto &workspace : workspaces) total += static_cast<double>(workspace.bytes());
  return total;
}

template class CpuBackend<float>;
template class CpuBackend<double>;
template class CpuBackend<Dual<float>>;
template class CpuBackend<Dual<double>>;

}    // namespace mlpot
