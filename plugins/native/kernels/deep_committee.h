/* SPDX-License-Identifier: MIT

   A deep committee, whose members are whole models, at one center.

   Members with several layers are computed one after the other. Of members with one layer, the channels lie side
   by side, so that everything between the sums over the neighbors and the product bases, and back, is that of one
   wide model with longer loops; only the readouts are computed one after the other. */

#ifndef MLPOT_DEEP_COMMITTEE_H
#define MLPOT_DEEP_COMMITTEE_H

#include "kernels/center.h"
#include "kernels/descriptors.h"
#include "kernels/deviations.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* The task of one member of a deep committee. */
  template <typename T> inline Task<T> member_of(const Task<T> &task, int m, int center)
  {
    Task<T> own = task;
    own.model = task.ensemble.members[m];
    set_weights(own, center);
    const int messages = m * own.model->message_width();
    if (own.state.messages_in) own.state.messages_in += messages;
    if (own.state.messages) own.state.messages += messages;
    if (own.state.damped_messages) own.state.damped_messages += messages;
    if (own.state.adjoints_in) own.state.adjoints_in += messages;
    if (own.state.adjoints_out) own.state.adjoints_out += messages;
    if (own.state.hidden) own.state.hidden += m * own.model->hidden_width;
    return own;
  }

  /* to = factor to + weight other; with a factor of zero, previous values have no effect */
  template <typename T> void combine(int n, T factor, T *to, T weight, const T *other)
  {
    for (int k = 0; k < n; k++)
      to[k] = (factor == T(0) ? T(0) : factor * to[k]) + weight * other[k];
  }

  template <typename T>
  void combine_edges(const Task<T> &task, int n_edges, T factor, const EdgeAdjoint<T> &to, T weight,
                     const EdgeAdjoint<T> &other)
  {
    const int stride = task.workspace->capacity;
    for (int lm = 0; lm < task.model->n_harmonics(); lm++)
      combine(n_edges, factor, to.harmonics + lm * stride, weight, other.harmonics + lm * stride);
    combine(n_edges, factor, to.distance, weight, other.distance);
  }

  /* Of each member besides the sum of all energies. */
  template <typename T>
  void record_member(const Task<T> &task, const Edges &edges, int m, double energy, int k,
                     int center)
  {
    if (m == 0) record_descriptors(task, edges, k, center);
    double *deviations = task.sums->deviations.energies;
    if (deviations && m < task.ensemble.n_deviations)
      deviations[m] += task.ensemble.n_members * energy;
  }

  /* All members, to the adjoints of their sums over the neighbors or of their edges; returns the energy. */
  template <typename T>
  double run_one_by_one(const Task<T> &task, const Edges &edges, int k, int center)
  {
    double energy = 0.0;
    for (int m = 0; m < task.ensemble.n_members; m++) {
      const Task<T> own = member_of(task, m, center);
      const double part = run_model(own, edges, k, center);
      energy += part;
      if (task.pass != Pass::Forward)
        density_adjoint(own, edges, own_sums(own, edges, m), own_adjoint(own, m));
      if (task.pass != Pass::Backward) record_member(own, edges, m, part, k, center);
    }
    return energy;
  }

  template <typename T> Task<T> as_one_model(const Task<T> &task, int center)
  {
    Task<T> wide = task;
    wide.model = task.ensemble.side_by_side;
    set_weights(wide, center);
    return wide;
  }

  /* The part of the workspace that holds the channels of one member. */
  template <typename T> Workspace<T> part_of(const Workspace<T> &all, int first_channel)
  {
    Workspace<T> own = all;
    own.product_basis += first_channel;
    own.product_basis_adjoint += first_channel;
    return own;
  }

  /* To the adjoint of the atomic bases; returns the energy. */
  template <typename T>
  double run_side_by_side(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const Task<T> wide = as_one_model(task, center);
    compute_atomic_basis(wide, edges);
    compute_product_basis_and_gradient(wide);
    double energy = 0.0;
    for (int m = 0; m < task.ensemble.n_members; m++) {
      Task<T> own = member_of(task, m, center);
      Workspace<T> work = part_of(*task.workspace, m * own.model->n_channels);
      work.gate = {1.0, 0.0};
      own.workspace = &work;
      const double part = read_out(own, center, hidden_of(own, k));
      record_member(own, edges, m, part, k, center);
      energy += part;
    }
    weight_gradient(wide);
    return energy;
  }

  /* From there to the adjoints of the sums over the neighbors: of the mean, and of the members with deviations. */
  template <typename T>
  void side_by_side_adjoint(const Task<T> &task, const Edges &edges, int center)
  {
    const Task<T> wide = as_one_model(task, center);
    const T *adjoint = task.workspace->atomic_basis_adjoint;
    const int row = wide.model->n_channels;
    mix_species_adjoint(wide, edges, adjoint, row, task.workspace->density_adjoint);
    for (int m = 0; task.sums->deviations.forces && m < task.ensemble.n_deviations; m++) {
      const Task<T> own = member_of(task, m, center);
      mix_species_adjoint(own, edges, adjoint + m * own.model->n_channels, row,
                          own_sums(task, edges, m));
    }
  }

  /* Energy of the layer, on the way forward. */
  template <typename T> double run_deep(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const bool together = task.ensemble.side_by_side;
    const double energy = together ? run_side_by_side(task, edges, k, center)
                                   : run_one_by_one(task, edges, k, center);
    if (together) side_by_side_adjoint(task, edges, center);
    double *deviations = task.sums->deviations.energies;
    for (int r = 0; deviations && r < task.ensemble.n_deviations; r++) deviations[r] -= energy;
    return energy;
  }

  /* Adjoints of the mean: of the sums over the neighbors in the first layer, of the edges in later ones. */
  template <typename T> void add_member_adjoints(const Task<T> &task, const Edges &edges)
  {
    if (task.ensemble.side_by_side) return;    // it has that of the mean already
    const Workspace<T> &work = *task.workspace;
    const int n = edges.n_groups * adjoint_size(*task.model);
    for (int m = 0; m < task.ensemble.n_members; m++) {
      const T before = m == 0 ? T(0) : T(1);
      if (task.layer == 0)
        combine(n, before, work.density_adjoint, T(1), own_sums(task, edges, m));
      else
        combine_edges(task, edges.n_edges, before, adjoint_of_mean(work), T(1),
                      own_adjoint(task, m));
    }
  }

  /* A member contributes 1 / n_members of its energy to the mean: its deviation is n_members times its
     contribution, minus the mean. */
  template <typename T>
  void deep_deviation_gradients(const Task<T> &task, const Edges &edges, const EdgeAdjoint<T> &mean)
  {
    const T n_members = static_cast<T>(task.ensemble.n_members);
    for (int r = 0; r < task.ensemble.n_deviations; r++) {
      const EdgeAdjoint<T> own = own_adjoint(task, task.layer == 0 ? 0 : r);
      if (task.layer == 0) {
        T *sums = own_sums(task, edges, r);
        combine(edges.n_groups * adjoint_size(*task.model), n_members, sums, T(-1),
                task.workspace->density_adjoint);
        sum_neighbors_adjoint(task, edges, sums, own);
      } else
        combine_edges(task, edges.n_edges, n_members, own, T(-1), mean);
      edge_gradients(task, edges, own, r);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
