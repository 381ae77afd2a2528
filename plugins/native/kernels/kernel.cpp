/* SPDX-License-Identifier: MIT

   One layer of a model over a range of centers, one center at a time. Compiled once for each
   instruction set; MLPOT_ISA is the namespace and the name of the set. */

#include "kernels/deep_committee.h"
#include "kernels/shallow_committee.h"

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  inline void add_energy(int center, double energy, Sums &sums)
  {
    if (!std::isfinite(energy)) fail(sums, center, true);
    sums.energy += energy;
    if (sums.atomic_energies) sums.atomic_energies[center] += energy;
  }

  /* A single model, or a shallow committee: to the adjoint of the sums over the neighbors or of the edges;
     returns the energy of the layer. */
  template <typename T>
  double run_single(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const Workspace<T> &work = *task.workspace;
    const double energy = run_model(task, edges, k, center);
    if (task.pass != Pass::Forward)
      density_adjoint(task, edges, work.density_adjoint, adjoint_of_mean(work));
    if (task.pass != Pass::Backward) {
      record_descriptors(task, edges, k, center);
      if (task.sums->deviations.energies) add_deviation_energies(task, center);
    }
    return energy;
  }

  template <typename T>
  void run_deviations(const Task<T> &task, const Edges &edges, int k, int center)
  {
    if (is_deep(task))
      deep_deviation_gradients(task, edges, adjoint_of_mean(*task.workspace));
    else
      shallow_deviation_gradients(task, edges, k, center);
    add_deviation_forces(task, edges, center);
  }

  template <typename T> void run_center(const Task<T> &task, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    Edges edges;
    double energy = prepare_edges(model, task.neighborhood, center, task.layer == 0, edges, work);
    energy = task.layer == 0 ? energy + model.reference_energies[species_of(task, center)] : 0.0;
    if (task.layer == 0) sum_neighbors(task, edges);
    energy += is_deep(task) ? run_deep(task, edges, k, center) : run_single(task, edges, k, center);
    if (task.pass != Pass::Backward) add_energy(center, energy, *task.sums);
    if (task.pass == Pass::Forward) return;
    const EdgeAdjoint<T> adjoint = adjoint_of_mean(work);
    if (is_deep(task)) add_member_adjoints(task, edges);
    if (task.layer == 0) sum_neighbors_adjoint(task, edges, work.density_adjoint, adjoint);
    edge_gradients(task, edges, adjoint, MEAN);
    add_forces(task, edges, center);
    if (task.sums->deviations.forces) run_deviations(task, edges, k, center);
  }

  template <typename T> void run(const Task<T> &given)
  {
    const FlushSubnormals flush;
    Task<T> task = given;
    for (int n = task.first; n < task.last; n++) {
      const int k = task.order ? task.order[n - task.first] : n;
      const int center = task.neighborhood.centers[k];
      if (species_of(task, center) < 0) continue;
      set_weights(task, center);
      run_center(task, k, center);
    }
  }

  extern const Kernels kernels;
  const Kernels kernels = {MLPOT_STRING(MLPOT_ISA), MLPOT_VECTOR_BYTES,
                           MLPOT_VECTOR_BYTES * MLPOT_PACK_VECTORS, run<float>, run<double>};

}    // namespace MLPOT_ISA
}    // namespace mlpot
