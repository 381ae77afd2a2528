/* SPDX-License-Identifier: MIT

   What shallow and deep committees share: where the adjoints of a member lie, and how forces and virials of the
   deviations are added up. */

#ifndef MLPOT_DEVIATIONS_H
#define MLPOT_DEVIATIONS_H

#include "kernels/edge_gradients.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Adjoint of the sums over the neighbors of one member or deviation. */
  template <typename T> T *own_sums(const Task<T> &task, const Edges &edges, int m)
  {
    return task.workspace->density_adjoint + (m + 1) * edges.n_groups * adjoint_size(*task.model);
  }

  /* Adjoint of the edges of one member or deviation. */
  template <typename T> EdgeAdjoint<T> own_adjoint(const Task<T> &task, int m)
  {
    const Workspace<T> &work = *task.workspace;
    return {work.ensemble.harmonics_adjoint + m * task.model->n_harmonics() * work.capacity,
            work.ensemble.distance_adjoint + m * work.capacity};
  }

  /* Virials of all deviations. */
  template <typename T> void add_deviation_virials(const Task<T> &task, const Edges &edges)
  {
    const Workspace<T> &work = *task.workspace;
    for (int r = 0; r < task.ensemble.n_deviations; r++)
      for (int e = 0; e < edges.n_edges; e++) {
        const double position[3] = {work.x[e], work.y[e], work.z[e]};
        for (int k = 0; k < 9; k++)
          task.sums->deviations.virials[9 * r + k] -=
              position[k / 3] * gradients_of(work, r)[k % 3 * work.capacity + e];
      }
  }

  /* Forces of all deviations, stored side by side for each atom. */
  template <typename T>
  void add_deviation_forces(const Task<T> &task, const Edges &edges, int center)
  {
    const Workspace<T> &work = *task.workspace;
    const int n = 3 * task.ensemble.n_deviations, stride = work.capacity;
    double *forces = task.sums->deviations.forces, sum = 0.0;
    double *own = forces + static_cast<std::size_t>(center) * n;
    for (int e = 0; e < edges.n_edges; e++) {
      const T *gradients = gradients_of(work, 0) + e;
      double *other = forces + static_cast<std::size_t>(work.index[e]) * n;
      for (int k = 0; k < n; k++) {
        const double g = gradients[k * stride];
        own[k] += g;
        other[k] -= g;
      }
    }
    for (int k = 0; k < n; k++) sum += own[k];
    if (!std::isfinite(sum)) fail(*task.sums, center, false);
    if (task.sums->deviations.virials) add_deviation_virials(task, edges);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
