/* SPDX-License-Identifier: MIT

   One layer of a model over a range of centres, one centre at a time. Compiled once for each
   instruction set; MLPOT_INSTRUCTIONS is the namespace and the name of the set. */

#include "layer.h"

#include <cmath>

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  /* E and dE/dz of the hidden values z: weight silu(z). The values are replaced by the derivatives. */
  template <typename T> double readout(const ModelTables<T> &model, T *hidden)
  {
    double energy = 0.0;
    for (int k = 0; k < model.hidden_width; k++) {
      const T z = hidden[k], sigmoid = T(1) / (T(1) + std::exp(-z));
      energy += model.hidden_to_energy[k] * z * sigmoid;
      hidden[k] = model.hidden_to_energy[k] * sigmoid * (T(1) + z * (T(1) - sigmoid));
    }
    return energy;
  }

  template <typename T> double dot(int n, const T *a, const T *b)
  {
    Vector<T> total = {};
    for (int k = 0; k < n; k += Simd<T>::LANES) total += load(a + k) * load(b + k);
    return static_cast<double>(sum<T>(total));
  }

  template <typename T> void density_adjoint(const Task<T> &task, const Edges &edges)
  {
    if (task.layer == 0)
      species_density_adjoint(*task.model, task.model->layers[0], edges, *task.workspace);
    else
      message_density_adjoint(task, edges);
  }

  /* dE/dr_ij from the adjoints of harmonics and distances */
  template <int LMAX, typename T> void edge_gradients(int n_edges, Workspace<T> &work)
  {
    using V = Vector<T>;
    for (int e = 0; e < n_edges; e += Simd<T>::LANES) {
      const V x = load(work.ux + e), y = load(work.uy + e), z = load(work.uz + e);
      const V inverse = load(work.inverse + e);
      V gx, gy, gz;
      harmonics_gradient<LMAX, T>(x, y, z, work.harmonics_adjoint + e, work.capacity, gx, gy, gz);
      const V along = load(work.slope_adjoint + e) - inverse * (x * gx + y * gy + z * gz);
      store<T>(work.gx + e, inverse * gx + along * x);
      store<T>(work.gy + e, inverse * gy + along * y);
      store<T>(work.gz + e, inverse * gz + along * z);
    }
  }

  template <typename T> void edge_gradients(int lmax, int n_edges, Workspace<T> &work)
  {
    if (lmax == 0) return edge_gradients<0>(n_edges, work);
    if (lmax == 1) return edge_gradients<1>(n_edges, work);
    if (lmax == 2) return edge_gradients<2>(n_edges, work);
    if (lmax == 3) return edge_gradients<3>(n_edges, work);
    edge_gradients<4>(n_edges, work);
  }

  inline void fail(Sums &sums, int center, bool energy)
  {
    if (sums.failed_atom >= 0) return;
    sums.failed_atom = center;
    sums.failed_energy = energy;
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
    g[0] = work.gx[e];
    g[1] = work.gy[e];
    g[2] = work.gz[e];
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

  template <typename T> double energy_of_contracted(const Task<T> &task)
  {
    return dot(task.model->n_channels, task.workspace->contracted,
               task.model->layers[task.layer].to_energy);
  }

  template <typename T> void seed_with_energy(const Task<T> &task)
  {
    const T *to_energy = task.model->layers[task.layer].to_energy;
    for (int k = 0; k < task.model->n_channels; k++)
      task.workspace->contracted_adjoint[k] = to_energy[k];
  }

  /* Layers before the last. */
  template <typename T> double forward(const Task<T> &task, int center, T *hidden)
  {
    contract(task, species_of(task, center));
    send(task, center, hidden);
    return energy_of_contracted(task);
  }

  template <typename T> void backward(const Task<T> &task, int center, const T *hidden)
  {
    seed_with_energy(task);
    receive(task, center, hidden);
    contraction_adjoint(task, species_of(task, center));
  }

  /* The last layer: nothing has to be known of other atoms before the way back. */
  template <typename T> double forward_and_backward(const Task<T> &task, int center, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    contract_with_gradient(task, species_of(task, center));
    send(task, center, hidden);
    const double energy = energy_of_contracted(task) + readout(model, hidden);
    seed_with_energy(task);
    receive(task, center, hidden);
    for (int lm = 0; lm < model.n_harmonics(); lm++)
      for (int k = 0; k < model.n_channels; k++)
        work.mixed_adjoint[lm * model.n_channels + k] *= work.contracted_adjoint[k];
    return energy;
  }

  template <typename T> void run_center(const Task<T> &task, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    Edges edges;
    double energy = prepare_edges(model, task.neighborhood, center, task.layer == 0, edges, work);
    energy = task.layer == 0 ? energy + model.reference_energies[species_of(task, center)] : 0.0;
    density(task, edges);
    T *hidden = hidden_of(task, k);
    if (task.pass == Pass::Forward)
      energy += forward(task, center, hidden);
    else if (task.pass == Pass::Backward)
      backward(task, center, hidden);
    else
      energy += forward_and_backward(task, center, hidden);
    if (task.pass != Pass::Backward) add_energy(center, energy, *task.sums);
    if (task.pass == Pass::Forward) return;
    density_adjoint(task, edges);
    edge_gradients(model.lmax, edges.n_edges, work);
    add_forces(task, edges, center);
  }

  template <typename T> void run(const Task<T> &task)
  {
    for (int k = task.first; k < task.last; k++) {
      const int center = task.neighborhood.centers[k];
      if (task.neighborhood.species[center] >= 0) run_center(task, k, center);
    }
  }

  extern const Kernels kernels;
  const Kernels kernels = {MLPOT_STRING(MLPOT_INSTRUCTIONS), MLPOT_VECTOR_BYTES,
                           MLPOT_VECTOR_BYTES * MLPOT_PACK_VECTORS, run<float>, run<double>};

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot
