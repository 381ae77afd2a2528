/* SPDX-License-Identifier: MIT

   Deviations of the members of a shallow committee, which differ in the readout alone. Up to the product basis
   they share everything, and its gradient is the same for all; behind it each deviation has its own adjoint. */

#ifndef MLPOT_SHALLOW_COMMITTEE_H
#define MLPOT_SHALLOW_COMMITTEE_H

#include "kernels/deviations.h"
#include "kernels/product_basis.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Contributions of this layer to the energies of the deviations. */
  template <typename T> void add_deviation_energies(const Task<T> &task, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int width = model.deviation_width;
    const bool split = task.layer == 0 && work.gate.factor < 1.0;
    product<T>(1, model.n_channels, width,
               {split ? work.gated_basis : work.product_basis, model.n_channels, 1},
               task.weights->to_deviations, width, work.ensemble.energies, width);
    if (split)
      product<T, true>(1, model.n_channels, width, {work.ungated_rest, model.n_channels, 1},
                       task.weights->to_own_deviations, width, work.ensemble.energies, width);
    if (task.pass == Pass::Both)
      product<T, true>(1, model.hidden_width, width, {work.activated, model.hidden_width, 1},
                       model.hidden_to_deviations, width, work.ensemble.energies, width);
    double total = 0.0;
    for (int r = 0; r < task.ensemble.n_deviations; r++) {
      task.sums->deviations.energies[r] += work.ensemble.energies[r];
      total += work.ensemble.energies[r];
    }
    if (!std::isfinite(total)) fail(*task.sums, center, true);
  }

  /* Derivatives of the product basis, one component after the other, with respect to the atomic basis. */
  template <typename T> void component_gradients(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, n = model.n_harmonics() * channels;
    const int n_components = model.layers[task.layer].n_components;
    clear(work.ensemble.component_gradients, static_cast<std::size_t>(n_components) * n);
    for (int component = 0; component < n_components; component++)
      for_each_pack<T>(channels, [&](int channel, auto vectors) {
        using P = Pack<T, vectors>;
        P components[MAX_COMPONENTS];
        for (P &c : components) c = P::zero();
        components[component] = ones<T, vectors>();
        Traversal<T, vectors> traversal = traversal_of_pack(task, channel, components);
        traversal.gradient = work.ensemble.component_gradients + component * n + channel;
        add_gradient_of<DEEPEST, true>(traversal, ones<T, vectors>());
      });
  }

  /* Derivatives of the deviations with respect to the hidden values, [deviation][hidden]. */
  template <typename T> T *deviation_hidden(const Task<T> &task, int k)
  {
    const int width = task.model->hidden_width;
    T *hidden = task.ensemble.deviation_hidden ? task.ensemble.deviation_hidden +
            static_cast<std::size_t>(k) * task.ensemble.n_deviations * width
                                               : task.workspace->ensemble.hidden;
    if (task.pass == Pass::Both)
      for (int r = 0; r < task.ensemble.n_deviations; r++)
        for (int j = 0; j < width; j++)
          hidden[r * width + j] = task.model->hidden_to_deviations_t[r * width + j] *
              task.workspace->silu_derivative[j];
    return hidden;
  }

  /* Derivatives of the deviations with respect to the product basis, [deviation][component][channel]. */
  template <typename T> void seed_with_deviations(const Task<T> &task, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    const ElementTables<T> &weights = *task.weights;
    const int n = task.ensemble.n_deviations, channels = model.n_channels,
              width = model.message_channels;
    const int stride = model.layers[task.layer].n_components * channels;
    T *seeds = task.workspace->ensemble.seeds;
    for (int r = 0; r < n; r++)
      for (int c = 0; c < channels; c++)
        seeds[r * stride + c] = weights.to_deviations_t[r * channels + c];
    product<T, true>(n, model.hidden_width, channels,
                     {deviation_hidden(task, k), model.hidden_width, 1}, weights.to_hidden_t,
                     channels, seeds, stride);
    if (!task.ensemble.deviation_adjoints_out) return;
    T *messages = task.workspace->messages.adjoint;
    const int next = model.message_width();
    for (int r = 0; r < n; r++)
      compute_message_adjoint(
          task, center, task.ensemble.deviation_adjoints_out + r * task.ensemble.deviation_stride,
          messages + r * next);
    product<T, true>(n, width, channels, {messages, next, 1}, weights.message_t[0], channels, seeds,
                     stride);
    for (int r = 0; r < n; r++)
      for (int l = 1; l < model.n_message_degrees; l++)
        product<T>(2 * l + 1, width, channels, {messages + r * next + l * l * width, width, 1},
                   weights.message_t[l], channels, seeds + r * stride + l * l * channels, channels);
  }

  /* From adjoints of the gated product basis to those of the product basis. */
  template <typename T> void gate_deviations(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels;
    const int stride = model.layers[task.layer].n_components * channels;
    const bool first = task.layer == 0;
    for (int r = 0; r < task.ensemble.n_deviations; r++) {
      T *seeds = work.ensemble.seeds + r * stride;
      const T *own = first ? task.weights->to_own_deviations_t + r * channels : nullptr;
      for (int c = 0; first && c < channels; c++) seeds[c] -= own[c];
      work.ensemble.products[r] = ungated_product(work.gate, stride, work.product_basis, seeds);
      apply_gate(work.gate, stride, seeds, seeds);
      for (int c = 0; first && c < channels; c++) seeds[c] += own[c];
    }
  }

  /* atomic_basis_adjoint of one deviation */
  template <typename T> void deviation_adjoint(const Task<T> &task, int r)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, n_harmonics = model.n_harmonics();
    const int n_components = model.layers[task.layer].n_components;
    const T *seeds = work.ensemble.seeds + r * n_components * channels;
    for (int lm = 0; lm < n_harmonics; lm++)
      for (int c = 0; c < channels; c += Simd<T>::LANES) {
        Vector<T> total = {};
        for (int component = 0; component < n_components; component++)
          total += load(seeds + component * channels + c) *
              load(work.ensemble.component_gradients + (component * n_harmonics + lm) * channels +
                   c);
        store<T>(work.atomic_basis_adjoint + lm * channels + c, total);
      }
    if (work.gate.factor < 1.0) add_gate_adjoint(task, work.gate, work.ensemble.products[r]);
  }

  /* Adjoints of the sums over the neighbors of all deviations at once, [deviation][group][adjoint_size], for a
     product basis of one component: one harmonic at a time, with the deviations as rows. */
  template <typename T> void mix_deviations_adjoint(const Task<T> &task, const Edges &edges, T *out)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, columns = radial_columns<T>(model);
    const int size = adjoint_size(model);
    for (int l = 0; l <= model.lmax; l++)
      for (int lm = l * l; lm < (l + 1) * (l + 1); lm++) {
        const T *gradients = work.ensemble.component_gradients + lm * channels;
        for (int r = 0; r < task.ensemble.n_deviations; r++)
          for (int c = 0; c < channels; c += Simd<T>::LANES)
            store<T>(work.ensemble.rows + r * channels + c,
                     load(work.ensemble.seeds + r * channels + c) * load(gradients + c));
        for (int g = 0; g < edges.n_groups; g++)
          product<T>(task.ensemble.n_deviations, channels, columns,
                     {work.ensemble.rows, channels, 1}, transposed_mix(task, g, l),
                     model.functions_width, out + g * size + lm * columns, edges.n_groups * size);
      }
  }

  template <typename T>
  void shallow_deviation_gradients(const Task<T> &task, const Edges &edges, int k, int center)
  {
    if (task.pass == Pass::Backward) component_gradients(task);
    seed_with_deviations(task, k, center);
    const bool gated = task.workspace->gate.factor < 1.0;
    if (gated) gate_deviations(task);
    const EdgeAdjoint<T> own = own_adjoint(task, 0);
    T *atomic_basis_adjoint = task.workspace->atomic_basis_adjoint;
    const bool together = !gated && task.layer == 0 && task.model->layers[0].n_components == 1;
    if (together) mix_deviations_adjoint(task, edges, own_sums(task, edges, 0));
    for (int r = 0; r < task.ensemble.n_deviations; r++) {
      if (!together) deviation_adjoint(task, r);
      if (task.layer == 0) {
        T *sums = own_sums(task, edges, r);
        if (!together)
          mix_species_adjoint(task, edges, atomic_basis_adjoint, task.model->n_channels, sums);
        sum_neighbors_adjoint(task, edges, sums, own);
      } else
        message_density_adjoint(
            task, edges, atomic_basis_adjoint,
            task.ensemble.deviation_adjoints_in + r * task.ensemble.deviation_stride, own);
      edge_gradients(task, edges, own, r);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
