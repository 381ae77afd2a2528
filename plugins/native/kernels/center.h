/* SPDX-License-Identifier: MIT

   One model at one center: from its edges to energy, hidden values and messages, and back. */

#ifndef MLPOT_CENTER_H
#define MLPOT_CENTER_H

#include "kernels/density_gate.h"
#include "kernels/exponential.h"
#include "kernels/layer.h"

#include <cstring>

namespace mlpot {
namespace MLPOT_ISA {

  /* E = weight silu(z) of the hidden values z, which are replaced by dE/dz. */
  template <typename T> double readout(const Task<T> &task, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Vector<T> energy = {};
    for (int k = 0; k < model.hidden_width; k += Simd<T>::LANES) {
      const Vector<T> z = load(hidden + k), weight = load(model.hidden_to_energy + k);
      const Vector<T> part = sigmoid<T>(z);
      const Vector<T> derivative = part * (T(1) + z * (T(1) - part));
      energy += weight * z * part;
      store<T>(hidden + k, weight * derivative);
      store<T>(task.workspace->activated + k, z * part);
      store<T>(task.workspace->silu_derivative + k, derivative);
    }
    return static_cast<double>(sum<T>(energy));
  }

  template <typename T> double linear_energy(const Task<T> &task)
  {
    return dot(task.model->n_channels, task.workspace->product_basis, task.weights->to_energy);
  }

  template <typename T> void seed_with_energy(const Task<T> &task)
  {
    const T *to_energy = task.weights->to_energy;
    for (int k = 0; k < task.model->n_channels; k++)
      task.workspace->product_basis_adjoint[k] = to_energy[k];
  }

  /* Values of the product basis. */
  template <typename T> int product_basis_size(const Task<T> &task)
  {
    return task.model->layers[task.layer].n_components * task.model->n_channels;
  }

  /* First layer with a gate below 1: the energy of its own readout is not gated. */
  template <typename T> double gated_first_layer(const Task<T> &task, int center, T *hidden)
  {
    const Workspace<T> &work = *task.workspace;
    const int n = product_basis_size(task), channels = task.model->n_channels;
    apply_gate(work.gate, n, work.product_basis, work.gated_basis);
    for (int k = 0; k < n; k++) work.ungated_rest[k] = work.product_basis[k] - work.gated_basis[k];
    layer_outputs(task, center, work.gated_basis, hidden);
    return dot(channels, work.gated_basis, task.weights->to_energy) +
        dot(channels, work.ungated_rest, task.weights->to_own_energy);
  }

  /* Layers before the last. */
  template <typename T> double forward(const Task<T> &task, int center, T *hidden)
  {
    Workspace<T> &work = *task.workspace;
    compute_product_basis(task);
    if (work.gate.factor < 1.0) {
      if (task.layer == 0) return gated_first_layer(task, center, hidden);
      apply_gate(work.gate, product_basis_size(task), work.product_basis, work.product_basis);
    }
    layer_outputs(task, center, work.product_basis, hidden);
    return linear_energy(task);
  }

  template <typename T> void gated_backward(const Task<T> &task, int center, const T *hidden)
  {
    Workspace<T> &work = *task.workspace;
    const int n = product_basis_size(task), channels = task.model->n_channels;
    const T *own = task.layer == 0 ? task.weights->to_own_energy : nullptr;
    T *adjoint = work.product_basis_adjoint;
    compute_product_basis(task);
    apply_gate(work.gate, n, work.product_basis, work.product_basis);
    for (int k = 0; own && k < channels; k++) adjoint[k] -= own[k];
    layer_outputs_adjoint(task, center, hidden);
    const double product = ungated_product(work.gate, n, work.product_basis, adjoint);
    apply_gate(work.gate, n, adjoint, adjoint);
    for (int k = 0; own && k < channels; k++) adjoint[k] += own[k];
    compute_atomic_basis_adjoint(task);
    add_gate_adjoint(task, work.gate, product);
  }

  template <typename T> void backward(const Task<T> &task, int center, const T *hidden)
  {
    seed_with_energy(task);
    if (task.workspace->gate.factor < 1.0) return gated_backward(task, center, hidden);
    layer_outputs_adjoint(task, center, hidden);
    compute_atomic_basis_adjoint(task);
  }

  /* From the gated product basis of the last layer to the energy and product_basis_adjoint. */
  template <typename T> double read_out(const Task<T> &task, int center, T *hidden)
  {
    layer_outputs(task, center, task.workspace->product_basis, hidden);
    const double energy = linear_energy(task) + readout(task, hidden);
    seed_with_energy(task);
    layer_outputs_adjoint(task, center, hidden);
    return energy;
  }

  /* atomic_basis_adjoint = gradient of a product basis of one component times its adjoint. */
  template <typename T> void weight_gradient(const Task<T> &task)
  {
    const int channels = task.model->n_channels;
    for (int lm = 0; lm < task.model->n_harmonics(); lm++)
      for (int k = 0; k < channels; k++)
        task.workspace->atomic_basis_adjoint[lm * channels + k] *=
            task.workspace->product_basis_adjoint[k];
  }

  /* The last layer: the way back needs no results of other atoms. */
  template <typename T> double forward_and_backward(const Task<T> &task, int center, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels;
    const bool gated = work.gate.factor < 1.0;
    double product = 0.0;
    compute_product_basis_and_gradient(task);
    if (gated) apply_gate(work.gate, channels, work.product_basis, work.product_basis);
    const double energy = read_out(task, center, hidden);
    if (gated) {
      product =
          ungated_product(work.gate, channels, work.product_basis, work.product_basis_adjoint);
      apply_gate(work.gate, channels, work.product_basis_adjoint, work.product_basis_adjoint);
    }
    if (task.sums->deviations.forces && !is_deep(task))
      std::memcpy(work.ensemble.component_gradients, work.atomic_basis_adjoint,
                  sizeof(T) * model.n_harmonics() * channels);
    weight_gradient(task);
    if (gated) add_gate_adjoint(task, work.gate, product);
    return energy;
  }

  /* To the adjoint of the atomic basis; returns the energy of the layer. */
  template <typename T> double run_model(const Task<T> &task, const Edges &edges, int k, int center)
  {
    T *hidden = hidden_of(task, k);
    compute_atomic_basis(task, edges);
    task.workspace->gate = evaluate_gate(task);
    if (task.pass == Pass::Forward) return forward(task, center, hidden);
    if (task.pass == Pass::Both) return forward_and_backward(task, center, hidden);
    backward(task, center, hidden);
    return 0.0;
  }

  /* From the adjoint of the atomic basis to that of the sums over the neighbors in the first layer
     (`sums`), of messages and edges in later ones (`out`). */
  template <typename T>
  void density_adjoint(const Task<T> &task, const Edges &edges, T *sums, const EdgeAdjoint<T> &out)
  {
    const T *adjoint = task.workspace->atomic_basis_adjoint;
    if (task.layer == 0)
      return mix_species_adjoint(task, edges, adjoint, task.model->n_channels, sums);
    message_radial_derivatives(task, edges);
    message_density_adjoint(task, edges, adjoint, task.state.adjoints_in, out);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
