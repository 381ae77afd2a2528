/* SPDX-License-Identifier: MIT

   A deep committee of models with one layer at one centre. The channels of all members lie side by side, so that
   the way from the sums over the neighbours to the contracted densities and back is that of one wide model, whose
   loops are longer; the readouts come one after the other. */

#ifndef MLPOT_COMMITTEE_H
#define MLPOT_COMMITTEE_H

#include "center.h"

namespace mlpot {
namespace MLPOT_ISA {

  template <typename T> Task<T> as_one_model(const Task<T> &task, int center)
  {
    Task<T> wide = task;
    wide.model = task.committee;
    take_weights(wide, center);
    return wide;
  }

  /* The room of one member within that of all. */
  template <typename T> Workspace<T> part_of(const Workspace<T> &all, int first_channel)
  {
    Workspace<T> own = all;
    own.contracted += first_channel;
    own.contracted_adjoint += first_channel;
    return own;
  }

  /* Up to the adjoints of the mixed densities; returns the energy. */
  template <typename T>
  double run_side_by_side(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const Task<T> wide = as_one_model(task, center);
    mix_density(wide, edges);
    contract_with_gradient(wide);
    double energy = 0.0;
    for (int m = 0; m < task.n_members; m++) {
      Task<T> own = member_of(task, m, center);
      Workspace<T> work = part_of(*task.workspace, m * own.model->n_channels);
      work.known = {1.0, 0.0};
      own.workspace = &work;
      const double part = read_out(own, center, hidden_of(own, k));
      note_member(own, edges, m, part, k, center);
      energy += part;
    }
    weight_gradient(wide);
    return energy;
  }

  /* From there to the adjoints of the sums over the neighbours: of the mean, and of the members that have deviations. */
  template <typename T> void unmix_side_by_side(const Task<T> &task, const Edges &edges, int center)
  {
    const Task<T> wide = as_one_model(task, center);
    const T *adjoint = task.workspace->mixed_adjoint;
    const int row = wide.model->n_channels;
    unmix_species(wide, edges, adjoint, row, task.workspace->sum_adjoints);
    for (int m = 0; task.sums->deviation_forces && m < task.n_deviations; m++) {
      const Task<T> own = member_of(task, m, center);
      unmix_species(own, edges, adjoint + m * own.model->n_channels, row, own_sums(task, edges, m));
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
