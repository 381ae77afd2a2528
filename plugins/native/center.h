/* SPDX-License-Identifier: MIT

   One model at one centre: from its mixed density to energy, hidden values and messages, and back. */

#ifndef MLPOT_CENTER_H
#define MLPOT_CENTER_H

#include "exponential.h"
#include "members.h"

#include <cstring>

namespace mlpot {
namespace MLPOT_ISA {

  /* E and dE/dz of the hidden values z: weight silu(z). The values are replaced by the derivatives. */
  template <typename T> double readout(const Task<T> &task, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Vector<T> energy = {};
    for (int k = 0; k < model.hidden_width; k += Simd<T>::LANES) {
      const Vector<T> z = load(hidden + k), weight = load(model.hidden_to_energy + k);
      const Vector<T> part = sigmoid<T>(z), slope = part * (T(1) + z * (T(1) - part));
      energy += weight * z * part;
      store<T>(hidden + k, weight * slope);
      store<T>(task.workspace->activated + k, z * part);
      store<T>(task.workspace->hidden_slope + k, slope);
    }
    return static_cast<double>(sum<T>(energy));
  }

  template <typename T> double energy_of_contracted(const Task<T> &task)
  {
    return dot(task.model->n_channels, task.workspace->contracted, task.weights->to_energy);
  }

  template <typename T> void seed_with_energy(const Task<T> &task)
  {
    const T *to_energy = task.weights->to_energy;
    for (int k = 0; k < task.model->n_channels; k++)
      task.workspace->contracted_adjoint[k] = to_energy[k];
  }

  /* Values of the contracted density. */
  template <typename T> int contracted_size(const Task<T> &task)
  {
    return task.model->layers[task.layer].n_components * task.model->n_channels;
  }

  /* The first layer, not heard in full: its own energy is that of all of it. */
  template <typename T> double first_forward(const Task<T> &task, int center, T *hidden)
  {
    const Workspace<T> &work = *task.workspace;
    const int n = contracted_size(task), channels = task.model->n_channels;
    hear(work.known, n, work.contracted, work.heard);
    for (int k = 0; k < n; k++) work.not_heard[k] = work.contracted[k] - work.heard[k];
    send(task, center, work.heard, hidden);
    return dot(channels, work.heard, task.weights->to_energy) +
        dot(channels, work.not_heard, task.weights->to_own_energy);
  }

  /* Layers before the last. */
  template <typename T> double forward(const Task<T> &task, int center, T *hidden)
  {
    Workspace<T> &work = *task.workspace;
    contract(task);
    if (work.known.factor < 1.0) {
      if (task.layer == 0) return first_forward(task, center, hidden);
      hear(work.known, contracted_size(task), work.contracted, work.contracted);
    }
    send(task, center, work.contracted, hidden);
    return energy_of_contracted(task);
  }

  template <typename T> void faded_backward(const Task<T> &task, int center, const T *hidden)
  {
    Workspace<T> &work = *task.workspace;
    const int n = contracted_size(task), channels = task.model->n_channels;
    const T *own = task.layer == 0 ? task.weights->to_own_energy : nullptr;
    T *adjoint = work.contracted_adjoint;
    contract(task);
    hear(work.known, n, work.contracted, work.contracted);
    for (int k = 0; own && k < channels; k++) adjoint[k] -= own[k];
    receive(task, center, hidden);
    const double along = unfaded_product(work.known, n, work.contracted, adjoint);
    hear(work.known, n, adjoint, adjoint);
    for (int k = 0; own && k < channels; k++) adjoint[k] += own[k];
    contraction_adjoint(task);
    add_adjoint_of_familiarity(task, work.known, along);
  }

  template <typename T> void backward(const Task<T> &task, int center, const T *hidden)
  {
    seed_with_energy(task);
    if (task.workspace->known.factor < 1.0) return faded_backward(task, center, hidden);
    receive(task, center, hidden);
    contraction_adjoint(task);
  }

  /* Contracted density of the last layer, as it is heard, to energy and contracted_adjoint. */
  template <typename T> double read_out(const Task<T> &task, int center, T *hidden)
  {
    send(task, center, task.workspace->contracted, hidden);
    const double energy = energy_of_contracted(task) + readout(task, hidden);
    seed_with_energy(task);
    receive(task, center, hidden);
    return energy;
  }

  /* mixed_adjoint from the gradient of the contracted density of one component and its adjoint. */
  template <typename T> void weight_gradient(const Task<T> &task)
  {
    const int channels = task.model->n_channels;
    for (int lm = 0; lm < task.model->n_harmonics(); lm++)
      for (int k = 0; k < channels; k++)
        task.workspace->mixed_adjoint[lm * channels + k] *= task.workspace->contracted_adjoint[k];
  }

  /* The last layer: nothing has to be known of other atoms before the way back. */
  template <typename T> double forward_and_backward(const Task<T> &task, int center, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels;
    const bool faded = work.known.factor < 1.0;
    double along = 0.0;
    contract_with_gradient(task);
    if (faded) hear(work.known, channels, work.contracted, work.contracted);
    const double energy = read_out(task, center, hidden);
    if (faded) {
      along = unfaded_product(work.known, channels, work.contracted, work.contracted_adjoint);
      hear(work.known, channels, work.contracted_adjoint, work.contracted_adjoint);
    }
    if (task.sums->deviation_forces && !is_deep(task))
      std::memcpy(work.gradients, work.mixed_adjoint, sizeof(T) * model.n_harmonics() * channels);
    weight_gradient(task);
    if (faded) add_adjoint_of_familiarity(task, work.known, along);
    return energy;
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
