/* SPDX-License-Identifier: MIT

   One layer of a model over a range of centres, one centre at a time. Compiled once for each
   instruction set; MLPOT_ISA is the namespace and the name of the set. */

#include "committee.h"

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  /* dE/dr_ij, [x, y, z][edge], from the adjoints of harmonics and distances */
  template <int LMAX, typename T>
  void edge_gradients(int n_edges, const EdgeAdjoint<T> &adjoint, const Workspace<T> &work, T *out)
  {
    using V = Vector<T>;
    const int stride = work.capacity;
    for (int e = 0; e < n_edges; e += Simd<T>::LANES) {
      const V x = load(work.ux + e), y = load(work.uy + e), z = load(work.uz + e);
      const V inverse = load(work.inverse + e);
      V gx, gy, gz;
      harmonics_gradient<LMAX, T>(x, y, z, adjoint.harmonics + e, work.capacity, gx, gy, gz);
      const V along = load(adjoint.slope + e) - inverse * (x * gx + y * gy + z * gz);
      store<T>(out + e, inverse * gx + along * x);
      store<T>(out + stride + e, inverse * gy + along * y);
      store<T>(out + 2 * stride + e, inverse * gz + along * z);
    }
  }

  constexpr int MEAN = -1;

  /* Those of deviation r, or of the mean. */
  template <typename T> T *gradients_of(const Workspace<T> &work, int r)
  {
    return work.edge_gradients + (r + 1) * 3 * static_cast<std::size_t>(work.capacity);
  }

  template <typename T>
  void edge_gradients(const Task<T> &task, const Edges &edges, const EdgeAdjoint<T> &adjoint, int r)
  {
    constexpr void (*OF_DEGREES[MAX_DEGREES])(int, const EdgeAdjoint<T> &, const Workspace<T> &,
                                              T *) = {
        edge_gradients<0>, edge_gradients<1>, edge_gradients<2>, edge_gradients<3>,
        edge_gradients<4>, edge_gradients<5>, edge_gradients<6>};
    const Workspace<T> &work = *task.workspace;
    OF_DEGREES[task.model->lmax](edges.n_edges, adjoint, work, gradients_of(work, r));
  }

  inline void add_edge_virial(const double *r, const double *g, int i, int j, Sums &sums)
  {
    double virial[9];
    for (int a = 0; a < 3; a++)
      for (int b = 0; b < 3; b++) virial[3 * a + b] = -r[a] * g[b];
    for (int k = 0; sums.atomic_virials && k < 9; k++) {
      sums.atomic_virials[9 * static_cast<std::size_t>(i) + k] += 0.5 * virial[k];
      sums.atomic_virials[9 * static_cast<std::size_t>(j) + k] += 0.5 * virial[k];
    }
    for (int k = 0; sums.centroid_virials && k < 9; k++)
      sums.centroid_virials[9 * static_cast<std::size_t>(j) + k] += virial[k];
  }

  /* dE/dr_ij, in double precision. */
  template <typename T>
  inline void edge_gradient(const Workspace<T> &work, int e, bool repulsive, double *g)
  {
    for (int a = 0; a < 3; a++) g[a] = gradients_of(work, MEAN)[a * work.capacity + e];
    if (!repulsive) return;
    const double slope = work.repulsive_slope[e] / work.r[e];
    g[0] += slope * work.x[e];
    g[1] += slope * work.y[e];
    g[2] += slope * work.z[e];
  }

  /* Forces and virials of the edges. */
  template <typename T> void add_forces(const Task<T> &task, const Edges &edges, int center)
  {
    const Workspace<T> &work = *task.workspace;
    Sums &sums = *task.sums;
    const bool repulsive = edges.repulsive && task.layer == 0;
    double *gradients = task.neighborhood.edge_gradients ? task.neighborhood.edge_gradients[center]
                                                         : nullptr;
    double fx = 0.0, fy = 0.0, fz = 0.0, virial[9] = {};
    const bool per_atom = sums.atomic_virials || sums.centroid_virials;
    for (int e = 0; e < edges.n_edges; e++) {
      const double r[3] = {work.x[e], work.y[e], work.z[e]};
      double g[3];
      edge_gradient(work, e, repulsive, g);
      fx += g[0];
      fy += g[1];
      fz += g[2];
      for (int a = 0; a < 3; a++)
        for (int b = 0; b < 3; b++) virial[3 * a + b] += r[a] * g[b];
      if (sums.forces) {
        double *force = sums.forces + 3 * static_cast<std::size_t>(work.index[e]);
        for (int a = 0; a < 3; a++) force[a] -= g[a];
      }
      if (per_atom) add_edge_virial(r, g, center, work.index[e], sums);
      if (gradients && work.candidate[e] >= 0)
        for (int a = 0; a < 3; a++) gradients[3 * work.candidate[e] + a] += g[a];
    }
    for (int k = 0; k < 9; k++) sums.virial[k] -= virial[k];
    if (!std::isfinite(fx + fy + fz)) fail(sums, center, false);
    if (!sums.forces) return;
    double *force = sums.forces + 3 * static_cast<std::size_t>(center);
    force[0] += fx;
    force[1] += fy;
    force[2] += fz;
  }

  inline void add_energy(int center, double energy, Sums &sums)
  {
    if (!std::isfinite(energy)) fail(sums, center, true);
    sums.energy += energy;
    if (sums.atomic_energies) sums.atomic_energies[center] += energy;
  }

  /* One model, up to the adjoint of its mixed density; returns its energy. */
  template <typename T>
  double run_member(const Task<T> &task, const Edges &edges, int k, int center)
  {
    T *hidden = hidden_of(task, k);
    mix_density(task, edges);
    task.workspace->known = find_familiarity(task);
    if (task.pass == Pass::Forward) return forward(task, center, hidden);
    if (task.pass == Pass::Both) return forward_and_backward(task, center, hidden);
    backward(task, center, hidden);
    return 0.0;
  }

  template <typename T> EdgeAdjoint<T> own_adjoint(const Task<T> &task, int m)
  {
    const Workspace<T> &work = *task.workspace;
    return {work.member_harmonics_adjoint + m * task.model->n_harmonics() * work.capacity,
            work.member_slope_adjoint + m * work.capacity};
  }

  /* From mixed_adjoint to the adjoints of the sums over the neighbours, or of the edges themselves. */
  template <typename T> void density_adjoint(const Task<T> &task, const Edges &edges, int m)
  {
    const Workspace<T> &work = *task.workspace;
    if (task.layer == 0)
      return unmix_species(task, edges, work.mixed_adjoint, task.model->n_channels,
                           is_deep(task) ? own_sums(task, edges, m) : work.sum_adjoints);
    message_slopes(task, edges);
    message_density_adjoint(task, edges, work.mixed_adjoint, task.adjoints_in,
                            is_deep(task)
                                ? own_adjoint(task, m)
                                : EdgeAdjoint<T>{work.harmonics_adjoint, work.slope_adjoint});
  }

  /* to = factor to + weight other; with a factor of zero it does not matter what was there */
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
    combine(n_edges, factor, to.slope, weight, other.slope);
  }

  /* Adjoint of the edges as the mean has it. */
  template <typename T> EdgeAdjoint<T> add_members(const Task<T> &task, const Edges &edges)
  {
    Workspace<T> &work = *task.workspace;
    const EdgeAdjoint<T> total = {work.harmonics_adjoint, work.slope_adjoint};
    const int n = edges.n_groups * adjoint_size(*task.model);
    const bool apart = is_deep(task) && !task.committee;
    for (int m = 0; apart && m < task.n_members; m++) {
      const T before = m == 0 ? T(0) : T(1);
      if (task.layer == 0)
        combine(n, before, work.sum_adjoints, T(1), own_sums(task, edges, m));
      else
        combine_edges(task, edges.n_edges, before, total, T(1), own_adjoint(task, m));
    }
    if (task.layer == 0) sum_neighbors_adjoint(task, edges, work.sum_adjoints, total);
    return total;
  }

  /* Virials of all deviations. */
  template <typename T> void add_deviation_virials(const Task<T> &task, const Edges &edges)
  {
    const Workspace<T> &work = *task.workspace;
    for (int r = 0; r < task.n_deviations; r++)
      for (int e = 0; e < edges.n_edges; e++) {
        const double position[3] = {work.x[e], work.y[e], work.z[e]};
        for (int k = 0; k < 9; k++)
          task.sums->deviation_virials[9 * r + k] -=
              position[k / 3] * gradients_of(work, r)[k % 3 * work.capacity + e];
      }
  }

  /* Forces of all deviations: those on one atom are next to each other. */
  template <typename T>
  void add_deviation_forces(const Task<T> &task, const Edges &edges, int center)
  {
    const Workspace<T> &work = *task.workspace;
    const int n = 3 * task.n_deviations, stride = work.capacity;
    double *forces = task.sums->deviation_forces, sum = 0.0;
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
    if (task.sums->deviation_virials) add_deviation_virials(task, edges);
  }

  /* Deviations are as many times what a member adds to the mean as there are members, less the mean. */
  template <typename T>
  void find_gradients_of_members(const Task<T> &task, const Edges &edges,
                                 const EdgeAdjoint<T> &mean)
  {
    const T n_members = static_cast<T>(task.n_members);
    for (int r = 0; r < task.n_deviations; r++) {
      const EdgeAdjoint<T> own = own_adjoint(task, task.layer == 0 ? 0 : r);
      if (task.layer == 0) {
        T *sums = own_sums(task, edges, r);
        combine(edges.n_groups * adjoint_size(*task.model), n_members, sums, T(-1),
                task.workspace->sum_adjoints);
        sum_neighbors_adjoint(task, edges, sums, own);
      } else
        combine_edges(task, edges.n_edges, n_members, own, T(-1), mean);
      edge_gradients(task, edges, own, r);
    }
  }

  template <typename T>
  void find_gradients_of_readouts(const Task<T> &task, const Edges &edges, int k, int center)
  {
    if (task.pass == Pass::Backward) component_gradients(task);
    seed_with_deviations(task, k, center);
    const bool faded = task.workspace->known.factor < 1.0;
    if (faded) hear_deviations(task);
    const EdgeAdjoint<T> own = own_adjoint(task, 0);
    T *mixed_adjoint = task.workspace->mixed_adjoint;
    const bool together = !faded && task.layer == 0 && task.model->layers[0].n_components == 1;
    if (together) unmix_deviations(task, edges, own_sums(task, edges, 0));
    for (int r = 0; r < task.n_deviations; r++) {
      if (!together) deviation_adjoint(task, r);
      if (task.layer == 0) {
        T *sums = own_sums(task, edges, r);
        if (!together) unmix_species(task, edges, mixed_adjoint, task.model->n_channels, sums);
        sum_neighbors_adjoint(task, edges, sums, own);
      } else
        message_density_adjoint(task, edges, mixed_adjoint,
                                task.deviation_adjoints_in + r * task.deviation_stride, own);
      edge_gradients(task, edges, own, r);
    }
  }

  /* All members, up to the adjoints of the sums over the neighbours, or of the edges; returns their energy. */
  template <typename T>
  double run_members(const Task<T> &task, const Edges &edges, int k, int center)
  {
    double energy = 0.0;
    for (int m = 0; m < task.n_members; m++) {
      const Task<T> own = member_of(task, m, center);
      const double part = run_member(own, edges, k, center);
      energy += part;
      if (task.pass != Pass::Forward) density_adjoint(own, edges, m);
      if (task.pass != Pass::Backward) note_member(own, edges, m, part, k, center);
    }
    return energy;
  }

  /* Energies of the layer, on the way forward. */
  template <typename T>
  double add_energies(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const double energy = task.committee ? run_side_by_side(task, edges, k, center)
                                         : run_members(task, edges, k, center);
    if (task.committee) unmix_side_by_side(task, edges, center);
    double *deviations = task.sums->deviation_energies;
    for (int r = 0; deviations && is_deep(task) && r < task.n_deviations; r++)
      deviations[r] -= energy;
    return energy;
  }

  template <typename T> void run_center(const Task<T> &task, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    Edges edges;
    double energy = prepare_edges(model, task.neighborhood, center, task.layer == 0, edges, work);
    energy = task.layer == 0 ? energy + model.reference_energies[species_of(task, center)] : 0.0;
    if (task.layer == 0) sum_neighbors(task, edges);
    energy += add_energies(task, edges, k, center);
    if (task.pass != Pass::Backward) add_energy(center, energy, *task.sums);
    if (task.pass == Pass::Forward) return;
    const EdgeAdjoint<T> adjoint = add_members(task, edges);
    edge_gradients(task, edges, adjoint, MEAN);
    add_forces(task, edges, center);
    if (!task.sums->deviation_forces) return;
    if (is_deep(task))
      find_gradients_of_members(task, edges, adjoint);
    else
      find_gradients_of_readouts(task, edges, k, center);
    add_deviation_forces(task, edges, center);
  }

  template <typename T> void run(const Task<T> &given)
  {
    const FlushSubnormals flush;
    Task<T> task = given;
    for (int k = task.first; k < task.last; k++) {
      const int center = task.neighborhood.centers[k];
      if (species_of(task, center) < 0) continue;
      take_weights(task, center);
      run_center(task, k, center);
    }
  }

  extern const Kernels kernels;
  const Kernels kernels = {MLPOT_STRING(MLPOT_ISA), MLPOT_VECTOR_BYTES,
                           MLPOT_VECTOR_BYTES * MLPOT_PACK_VECTORS, run<float>, run<double>};

}    // namespace MLPOT_ISA
}    // namespace mlpot
