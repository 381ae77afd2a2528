/* SPDX-License-Identifier: MIT

   From the adjoints of harmonics and distances to dE/dr_ij, and from there to forces and virials. */

#ifndef MLPOT_EDGE_GRADIENTS_H
#define MLPOT_EDGE_GRADIENTS_H

#include "kernels/layer.h"

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  inline void fail(Sums &sums, int center, bool energy)
  {
    if (sums.failed_atom >= 0) return;
    sums.failed_atom = center;
    sums.failed_energy = energy;
  }

  /* dE/dr_ij, [x, y, z][edge], from the adjoints of harmonics and distances */
  template <int LMAX, typename T>
  void edge_gradients(int n, const EdgeAdjoint<T> &adjoint, const Workspace<T> &work, T *out)
  {
    using V = Vector<T>;
    const int stride = work.capacity;
    for (int e = 0; e < n; e += Simd<T>::LANES) {
      const V x = load(work.ux + e), y = load(work.uy + e), z = load(work.uz + e);
      const V inverse = load(work.inverse + e);
      V gx, gy, gz;
      harmonics_gradient<LMAX, T>(x, y, z, adjoint.harmonics + e, work.capacity, gx, gy, gz);
      const V radial = load(adjoint.distance + e) - inverse * (x * gx + y * gy + z * gz);
      store<T>(out + e, inverse * gx + radial * x);
      store<T>(out + stride + e, inverse * gy + radial * y);
      store<T>(out + 2 * stride + e, inverse * gz + radial * z);
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
    T *out = gradients_of(work, r);
    OF_DEGREES[task.model->lmax](edges.n_filled, adjoint, work, out);
    for (int a = 0; a < 3; a++)    // the adjoints of empty edges were not computed
      for (int e = edges.n_edges; e < edges.n_filled; e++) out[a * work.capacity + e] = T(0);
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
  inline void edge_gradient(const Workspace<T> &work, int e, bool has_zbl, double *g)
  {
    for (int a = 0; a < 3; a++) g[a] = gradients_of(work, MEAN)[a * work.capacity + e];
    if (!has_zbl) return;
    const double derivative = work.zbl_derivative[e] / work.r[e];
    g[0] += derivative * work.x[e];
    g[1] += derivative * work.y[e];
    g[2] += derivative * work.z[e];
  }

  /* The same for a vector of edges. */
  template <typename T>
  inline void edge_gradient(const Workspace<T> &work, int e, bool has_zbl, Vector<double> *g)
  {
    for (int a = 0; a < 3; a++)
      g[a] = load_doubles(gradients_of(work, MEAN) + a * work.capacity + e);
    if (!has_zbl) return;
    const Vector<double> derivative = load(work.zbl_derivative + e) / load(work.r + e);
    g[0] += derivative * load(work.x + e);
    g[1] += derivative * load(work.y + e);
    g[2] += derivative * load(work.z + e);
  }

  /* Force on the center; the virial is added to that of the sums. */
  template <typename T>
  inline void sum_gradients(const Workspace<T> &work, int n_filled, bool has_zbl, double *force,
                            double *virial)
  {
    Vector<double> forces[3] = {}, virials[9] = {};
    for (int e = 0; e < n_filled; e += Simd<double>::LANES) {
      const Vector<double> r[3] = {load(work.x + e), load(work.y + e), load(work.z + e)};
      Vector<double> g[3];
      edge_gradient(work, e, has_zbl, g);
      MLPOT_UNROLL
      for (int a = 0; a < 3; a++) forces[a] += g[a];
      MLPOT_UNROLL
      for (int k = 0; k < 9; k++) virials[k] += r[k / 3] * g[k % 3];
    }
    for (int a = 0; a < 3; a++) force[a] = sum<double>(forces[a]);
    for (int k = 0; k < 9; k++) virial[k] -= sum<double>(virials[k]);
  }

  /* Forces on the neighbors, and what is requested for each atom or edge. */
  template <typename T>
  inline void add_to_neighbors(const Task<T> &task, int n_edges, bool has_zbl, int center)
  {
    const Workspace<T> &work = *task.workspace;
    Sums &sums = *task.sums;
    double *gradients = task.neighborhood.edge_gradients ? task.neighborhood.edge_gradients[center]
                                                         : nullptr;
    const bool per_atom = sums.atomic_virials || sums.centroid_virials;
    for (int e = 0; e < n_edges; e++) {
      double g[3];
      edge_gradient(work, e, has_zbl, g);
      if (sums.forces) {
        double *force = sums.forces + 3 * static_cast<std::size_t>(work.index[e]);
        for (int a = 0; a < 3; a++) force[a] -= g[a];
      }
      if (per_atom) {
        const double r[3] = {work.x[e], work.y[e], work.z[e]};
        add_edge_virial(r, g, center, work.index[e], sums);
      }
      if (gradients)
        for (int a = 0; a < 3; a++) gradients[3 * work.list_slot[e] + a] += g[a];
    }
  }

  /* Forces and virials of the edges. */
  template <typename T> void add_forces(const Task<T> &task, const Edges &edges, int center)
  {
    Sums &sums = *task.sums;
    const bool has_zbl = edges.has_zbl && task.layer == 0;
    double f[3];
    sum_gradients(*task.workspace, edges.n_filled, has_zbl, f, sums.virial);
    if (!std::isfinite(f[0] + f[1] + f[2])) fail(sums, center, false);
    add_to_neighbors(task, edges.n_edges, has_zbl, center);
    if (!sums.forces) return;
    double *force = sums.forces + 3 * static_cast<std::size_t>(center);
    for (int a = 0; a < 3; a++) force[a] += f[a];
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
