/* SPDX-License-Identifier: MIT

   The gradient of a loss with respect to the tables of a model, compiled like kernel.cpp.

   A loss depends on the atomic energies E_i and on the edge gradients g_ij = dE/dr_ij of their sum. With
   e_i and v_ij its derivatives with respect to these, its gradient with respect to the tables is

       sum_i e_i dE_i/dtables + sum_ij v_ij . d g_ij/dtables = d/dt d/dtables sum_i (1 + t e_i) E_i(r + t v)

   at t = 0. Everything is computed forward and back with duals, numbers with their derivatives with respect
   to t; the result is the tangent of the gradient with respect to the tables. */

#include "kernels/exponential.h"
#include "kernels/layer.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Location of the gradient with respect to a table. */
  template <typename T> T *gradient_of(const Task<Dual<T>> &task, const T *table)
  {
    return task.training.gradients + (table - task.training.tables);
  }

  /* E = weight silu(z). The hidden values z are replaced by dE/dz, seeded. */
  template <typename T> void readout(const Task<Dual<T>> &task, T seed, Dual<T> *hidden)
  {
    const T *weights = task.model->hidden_to_energy;
    T *gradient = gradient_of(task, weights);
    for (int k = 0; k < task.model->hidden_width; k += Simd<T>::LANES) {
      const DualVector<T> z = load(hidden + k);
      const Vector<T> weight = load(weights + k), part = sigmoid<T>(z.value), rest = T(1) - part;
      const Vector<T> derivative = part * (T(1) + z.value * rest);
      const Vector<T> curvature = part * rest * (T(2) + z.value * (rest - part));
      store<T>(gradient + k, load(gradient + k) + seed * z.value * part + derivative * z.tangent);
      store<T>(
          hidden + k,
          DualVector<T>{weight * derivative, weight * (curvature * z.tangent + seed * derivative)});
    }
  }

  template <typename T> void seed_with_energy(const Task<Dual<T>> &task, T seed)
  {
    const T *to_energy = task.weights->to_energy;
    T *gradient = gradient_of(task, to_energy);
    const Workspace<Dual<T>> &work = *task.workspace;
    for (int k = 0; k < task.model->n_channels; k += Simd<T>::LANES) {
      const Vector<T> weights = load(to_energy + k);
      const DualVector<T> product_basis = load(work.product_basis + k);
      store<T>(work.product_basis_adjoint + k, DualVector<T>{weights, seed * weights});
      store<T>(gradient + k,
               load(gradient + k) + seed * product_basis.value + product_basis.tangent);
    }
  }

  /* Gradients of the tables between the product basis and the outputs of the layer. */
  template <typename T>
  void add_gradients_of_linear_maps(const Task<Dual<T>> &task, const Dual<T> *hidden)
  {
    const auto &model = *task.model;
    const auto &weights = *task.weights;
    const int channels = model.n_channels, width = model.message_channels;
    const Dual<T> *product_basis = task.workspace->product_basis;
    add_gradient<T>(channels, 1, model.hidden_width, {product_basis, 1, channels}, hidden,
                    model.hidden_width, gradient_of(task, weights.to_hidden), model.hidden_width);
    if (!task.state.adjoints_out)
      return;    // else layer_outputs_adjoint() has computed that of the message
    const Dual<T> *messages = task.workspace->messages.adjoint;
    T *embedding = gradient_of(task, weights.message_embedding);
    for (int c = 0; c < width; c += Simd<T>::LANES)
      store<T>(embedding + c, load(embedding + c) + load(messages + c).tangent);
    for (int l = 0; l < model.n_message_degrees; l++)
      add_gradient<T>(channels, 2 * l + 1, width, {product_basis + l * l * channels, 1, channels},
                      messages + l * l * width, width, gradient_of(task, weights.message[l]),
                      width);
  }

  template <typename T>
  void add_gradient_of_species_mix(const Task<Dual<T>> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const Workspace<Dual<T>> &work = *task.workspace;
    const int width = model.functions_width, channels = model.n_channels;
    T *gradient = gradient_of(task, task.weights->mix);
    for (int g = 0; g < edges.n_groups; g++)
      for (int l = 0; l <= model.lmax; l++)
        add_gradient<T>(model.n_functions, 2 * l + 1, channels,
                        {density_of_group(model, g, work) + l * l * width, 1, width},
                        work.atomic_basis_adjoint + l * l * channels, channels,
                        gradient + mix_block(model, work.groups[g].species, l), channels);
  }

  /* Of the weights of radial functions. Adjoints of density and functions take the places of these. */
  template <typename T>
  void add_gradient_of_radial_mix(const Task<Dual<T>> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const Workspace<Dual<T>> &work = *task.workspace;
    const int width = model.functions_width, channels = model.n_channels;
    T *gradient = gradient_of(task, model.radial_mix);
    for (int l = 0; l <= model.lmax; l++)
      product<Dual<T>, false, T>(
          2 * l + 1, channels, width, {work.atomic_basis_adjoint + l * l * channels, channels, 1},
          task.weights->mix_t + l * channels * width, width, work.density + l * l * width, width);
    product<Dual<T>>(edges.n_edges, model.n_harmonics(), width, {work.harmonics, 1, work.capacity},
                     work.density, width, work.function_rows, width);
    for (int g = 0; g < edges.n_species; g++) {
      const Group group = work.species_groups[g];
      add_gradient<T>(model.n_radial, group.count, width,
                      {work.radial_rows + group.first * model.radial_width, 1, model.radial_width},
                      work.function_rows + group.first * width, width,
                      gradient + mix_of_species(model, group.species), width);
    }
  }

  template <typename T> void add_gradient_of_path_mix(const Task<Dual<T>> &task)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    const Workspace<Dual<T>> &work = *task.workspace;
    const Dual<T> *coupled = work.messages.coupled;
    for (int L = 0; L <= model.lmax; L++) {
      const int columns = layer.n_paths[L] * model.message_channels;
      add_gradient<T>(columns, 2 * L + 1, model.n_channels, {coupled, 1, columns},
                      work.atomic_basis_adjoint + L * L * model.n_channels, model.n_channels,
                      gradient_of(task, task.weights->path_mix[L]), model.n_channels);
      coupled += (2 * L + 1) * columns;
    }
  }

  /* Adjoints of radial functions times messages for degree l1 of the edge, one row per edge. */
  template <typename T>
  void weighted_adjoints(const ModelTables<T> &model, int l1, int n_edges, Workspace<Dual<T>> &work)
  {
    const int width = model.message_width();
    product<Dual<T>>(n_edges, 2 * l1 + 1, width,
                     {work.harmonics + l1 * l1 * work.capacity, 1, work.capacity},
                     work.messages.density + l1 * l1 * width, width, work.messages.backward, width);
  }

  /* Adjoints of a neighbor's message and of its radial functions, from that of their product. */
  template <typename T>
  void weighted_adjoint(const ModelTables<T> &model, const Dual<T> *adjoint, const Dual<T> *message,
                        const Dual<T> *radial, Dual<T> *radial_adjoint, Dual<T> *message_adjoint)
  {
    const int channels = model.message_channels;
    for (int c = 0; c < pair_width(model); c += Simd<T>::LANES)
      store<T>(radial_adjoint + c, DualVector<T>{});
    for (int m = 0; m < model.message_components(); m++) {
      const int pair = degree_of(m) * channels;
      for (int c = 0; c < channels; c += Simd<T>::LANES) {
        const int x = m * channels + c, y = pair + c;
        const DualVector<T> g = load(adjoint + x);
        store<T>(message_adjoint + x, load(message_adjoint + x) + g * load(radial + y));
        store<T>(radial_adjoint + y, load(radial_adjoint + y) + g * load(message + x));
      }
    }
  }

  /* Adjoints of the messages, and gradients of the tables between them and the atomic basis. */
  template <typename T>
  void message_density_gradients(const Task<Dual<T>> &task, const Edges &edges)
  {
    const auto &model = *task.model;
    const auto &layer = model.layers[task.layer];
    Workspace<Dual<T>> &work = *task.workspace;
    const int n = edges.n_edges, width = model.message_width(), pairs = pair_width(model);
    add_gradient_of_path_mix(task);
    couple_adjoint(task, work.atomic_basis_adjoint);
    for (int l1 = 0; l1 <= model.lmax; l1++) {
      weighted_adjoints(model, l1, n, work);
      const Dual<T> *radial = work.messages.radial + l1 * work.capacity * pairs;
      for (int e = 0; e < n; e++) {
        const std::size_t row = message_row(task, work.index[e]);
        weighted_adjoint(model, work.messages.backward + e * width, task.state.messages_in + row,
                         radial + e * pairs, work.messages.radial_derivative + e * pairs,
                         task.state.adjoints_in + row);
      }
      add_gradient<T>(model.n_radial, n, pairs, {work.radial_rows, 1, model.radial_width},
                      work.messages.radial_derivative, pairs,
                      gradient_of(task, layer.radial) + l1 * model.n_radial * pairs, pairs);
    }
  }

  template <typename T> void run_center(const Task<Dual<T>> &task, int k, int center)
  {
    const T seed = static_cast<T>(task.training.energy_seeds[center]);
    Dual<T> *hidden = hidden_of(task, k);
    Edges edges;
    prepare_edges(*task.model, task.neighborhood, center, task.layer == 0, edges, *task.workspace);
    if (task.layer == 0) sum_neighbors(task, edges);
    compute_atomic_basis(task, edges);
    compute_product_basis(task);
    if (task.pass != Pass::Backward)
      layer_outputs(task, center, task.workspace->product_basis, hidden);
    if (task.pass == Pass::Forward) return;
    if (task.pass == Pass::Both) readout(task, seed, hidden);
    seed_with_energy(task, seed);
    layer_outputs_adjoint(task, center, hidden);
    compute_atomic_basis_adjoint(task);
    add_gradients_of_linear_maps(task, hidden);
    if (task.layer == 0) {
      add_gradient_of_species_mix(task, edges);
      if (task.model->radial_mix) add_gradient_of_radial_mix(task, edges);
    } else
      message_density_gradients(task, edges);
  }

  template <typename T> void run(const Task<Dual<T>> &given)
  {
    const FlushSubnormals flush;
    Task<Dual<T>> task = given;
    for (int n = task.first; n < task.last; n++) {
      const int k = task.order ? task.order[n - task.first] : n;
      const int center = task.neighborhood.centers[k];
      set_weights(task, center);
      run_center(task, k, center);
    }
  }

  extern const TrainingKernels training_kernels;
  const TrainingKernels training_kernels = {MLPOT_STRING(MLPOT_ISA), run<float>, run<double>};

}    // namespace MLPOT_ISA
}    // namespace mlpot
