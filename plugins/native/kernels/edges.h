/* SPDX-License-Identifier: MIT

   The edges of one center: neighbors of its list that lie inside the cutoff, their geometry, radial
   functions and harmonics.

   Edges are sorted by species. The last vector is filled up by empty edges of the length of the cutoff along z,
   whose radial functions and derivatives are zero; loops over vectors compute them, loops over edges do not. */

#ifndef MLPOT_EDGES_H
#define MLPOT_EDGES_H

#include "kernels/harmonics.h"
#include "kernels/kernel.h"
#include "kernels/lanes.h"
#include "kernels/radial_functions.h"
#include "kernels/zbl.h"

#include <cmath>

namespace mlpot {
namespace MLPOT_ISA {

  /* Neighbors inside the cutoff in the order of the list, into x, y, z, index, list_slot, from `first` on. Positions
     that are not finite are kept, so that they show in the result. */
  template <typename N>
  inline int collect(const Neighborhood &host, int center, double cutoff, int first,
                     const Workspace<N> &work)
  {
    double *x_in = work.x + first, *y_in = work.y + first, *z_in = work.z + first;
    int *index = work.index + first, *list_slot = work.list_slot + first;
    const int n_neighbors = host.n_neighbors[center], mask = host.neighbor_mask;
    const double *ri = host.positions + 3 * static_cast<std::size_t>(center);
    const double limit = cutoff * cutoff;
    const int *slots = host.neighbors[center];
    const double *offsets = host.offsets ? host.offsets[center] : nullptr;
    const int *image = host.images ? host.images[center] : nullptr;
    const double xi = ri[0], yi = ri[1], zi = ri[2];
    int n = 0;
    for (int k = 0; k < n_neighbors; k++) {
      const int j = slots[k] & mask;
      const double *rj = host.positions + 3 * static_cast<std::size_t>(j);
      double x = rj[0] - xi, y = rj[1] - yi, z = rj[2] - zi;
      if (offsets) {
        const double *offset = offsets + 3 * static_cast<std::size_t>(image ? image[k] : k);
        x += offset[0];
        y += offset[1];
        z += offset[2];
      }
      x_in[n] = x;
      y_in[n] = y;
      z_in[n] = z;
      index[n] = j;
      list_slot[n] = k;
      n += !(x * x + y * y + z * z >= limit) & (host.species[j] >= 0);
    }
    return n;
  }

  template <typename N> inline int whole_vectors(int n)
  {
    return (n + Simd<N>::LANES - 1) / Simd<N>::LANES * Simd<N>::LANES;
  }

  template <typename N>
  inline void fill_up(double cutoff, int first, int last, const Workspace<N> &work)
  {
    for (int e = first; e < last; e++) {
      work.x[e] = work.y[e] = 0.0;
      work.z[e] = cutoff;
    }
  }

  /* Groups of n edges, whose neighbors are `index`, in order of their first; the group of each edge into `order`. */
  template <typename N>
  inline int find_groups(const Neighborhood &host, int n, const int *index,
                         const Workspace<N> &work)
  {
    int n_groups = 0, first = 0;
    for (int k = 0; k < n; k++) work.group_of[host.species[index[k]]] = -1;
    for (int k = 0; k < n; k++) {
      int &group = work.group_of[host.species[index[k]]];
      if (group < 0) {
        group = n_groups++;
        work.species_groups[group] = {host.species[index[k]], 0, 0};
      }
      work.species_groups[group].count++;
      work.order[k] = group;
    }
    for (int g = 0; g < n_groups; g++) {
      work.species_groups[g].first = first;
      first += work.species_groups[g].count;
    }
    return n_groups;
  }

  /* Stable sort by species of n edges that lie behind the capacity. */
  template <typename N>
  inline int sort_by_species(const Neighborhood &host, int n, const Workspace<N> &work)
  {
    const int *index = work.index + work.capacity, *list_slot = work.list_slot + work.capacity;
    const int n_groups = find_groups(host, n, index, work);
    const double *x = work.x + work.capacity, *y = work.y + work.capacity,
                 *z = work.z + work.capacity;
    for (int g = 0; g < n_groups; g++) work.group_of[g] = work.species_groups[g].first;
    for (int k = 0; k < n; k++) {
      const int place = work.group_of[work.order[k]]++;
      work.x[place] = x[k];
      work.y[place] = y[k];
      work.z[place] = z[k];
      work.index[place] = index[k];
      work.list_slot[place] = list_slot[k];
    }
    return n_groups;
  }

  /* Edges in one group, or in one for each species where they are summed or trained apart. */
  template <typename N>
  inline void find_edges(const ModelTables<Real<N>> &model, const Neighborhood &host, int center,
                         bool by_species, Edges &edges, const Workspace<N> &work)
  {
    const bool sorted = by_species && model.n_species > 1 && (Simd<N>::DUAL || !model.radial_mix);
    const int n = collect(host, center, model.cutoff, sorted ? work.capacity : 0, work);
    edges.n_edges = n;
    edges.n_filled = whole_vectors<N>(n);
    edges.n_species = sorted ? sort_by_species(host, n, work) : n > 0;
    edges.n_groups = edges.n_species;
    if (!sorted) work.species_groups[0] = {0, 0, n};
    fill_up(model.cutoff, n, edges.n_filled, work);
  }

  template <typename T> inline void unit_vectors(int n, double cutoff, Workspace<T> &work)
  {
    for (int e = 0; e < n; e++) {
      const double x = work.x[e], y = work.y[e], z = work.z[e];
      const double r = std::sqrt(x * x + y * y + z * z), inverse = 1.0 / r;
      work.r[e] = r;
      work.ux[e] = static_cast<T>(x * inverse);
      work.uy[e] = static_cast<T>(y * inverse);
      work.uz[e] = static_cast<T>(z * inverse);
      work.inverse[e] = static_cast<T>(inverse);
      // not 1 - r / cutoff, which loses digits near the cutoff
      work.one_minus_x[e] = static_cast<T>((cutoff - r) / cutoff);
    }
  }

  template <typename T> inline Dual<T> rounded(double value, double tangent)
  {
    return {static_cast<T>(value), static_cast<T>(tangent)};
  }

  /* The same with the derivatives along `directions`, [list slot][3]. */
  template <typename T>
  inline void unit_vectors(const Edges &edges, double cutoff, const double *directions,
                           Workspace<Dual<T>> &work)
  {
    constexpr double NONE[3] = {0.0, 0.0, 0.0};
    for (int e = 0; e < edges.n_filled; e++) {
      const double *v = e < edges.n_edges ? directions + 3 * work.list_slot[e] : NONE;
      const double x = work.x[e], y = work.y[e], z = work.z[e];
      const double r = std::sqrt(x * x + y * y + z * z), inverse = 1.0 / r;
      const double ux = x * inverse, uy = y * inverse, uz = z * inverse;
      const double radial_tangent = ux * v[0] + uy * v[1] + uz * v[2];
      work.r[e] = r;
      work.radial_tangent[e] = radial_tangent;
      put(work.ux, e, rounded<T>(ux, (v[0] - ux * radial_tangent) * inverse));
      put(work.uy, e, rounded<T>(uy, (v[1] - uy * radial_tangent) * inverse));
      put(work.uz, e, rounded<T>(uz, (v[2] - uz * radial_tangent) * inverse));
      put(work.inverse, e, rounded<T>(inverse, -radial_tangent * inverse * inverse));
      put(work.one_minus_x, e, rounded<T>((cutoff - r) / cutoff, -radial_tangent / cutoff));
    }
  }

  template <typename T>
  inline void reduce_density(int n_radial, int e, const ZblPair &pair, Workspace<T> &work)
  {
    const T weight = static_cast<T>(1.0 - pair.switching);
    const T weight_derivative = static_cast<T>(-pair.switching_derivative);
    for (int n = 0; n < n_radial; n++) {
      T &value = work.radial[n * work.capacity + e],
        &derivative = work.radial_derivative[n * work.capacity + e];
      derivative = weight * derivative + weight_derivative * value;
      value *= weight;
    }
  }

  template <typename T>
  inline void reduce_density(int n_radial, int e, const ZblPair &pair, Workspace<Dual<T>> &work)
  {
    const double radial_tangent = work.radial_tangent[e];
    const auto weight =
        rounded<T>(1.0 - pair.switching, -pair.switching_derivative * radial_tangent);
    for (int n = 0; n < n_radial; n++) {
      const int place = n * work.capacity + e;
      put(work.radial, place, weight * at(work.radial, place));
    }
  }

  /* ZBL repulsion, switched on as the weight of the neighbor in the density is switched off. Returns the
     energy; the derivative is kept for the forces. */
  template <typename N>
  inline double add_zbl(const ModelTables<Real<N>> &model, const Neighborhood &host, int center,
                        Edges &edges, Workspace<N> &work)
  {
    double energy = 0.0;
    edges.has_zbl = false;
    const int zi = host.species[center];
    for (int e = 0; e < edges.n_edges; e++) {
      const int zj = host.species[work.index[e]];
      const double radius = model.radius[zi] + model.radius[zj];
      const double switching_radius = radius < model.cutoff ? radius : model.cutoff;
      if (work.r[e] >= switching_radius) continue;
      const ZblPair pair =
          zbl_pair(model.charge[zi], model.charge[zj], switching_radius, work.r[e]);
      reduce_density(model.n_radial, e, pair, work);
      if constexpr (!Simd<N>::DUAL) {
        if (!edges.has_zbl)
          for (int k = 0; k < edges.n_filled; k++) work.zbl_derivative[k] = 0.0;
        work.zbl_derivative[e] = pair.derivative;
      }
      edges.has_zbl = true;
      energy += pair.energy;
    }
    return energy;
  }

  template <int LMAX, typename N> void all_harmonics(int n_edges, Workspace<N> &work)
  {
    for (int e = 0; e < n_edges; e += Simd<N>::LANES)
      harmonics_at<LMAX, N>(load(work.ux + e), load(work.uy + e), load(work.uz + e),
                            work.harmonics + e, work.capacity);
  }

  template <typename N> inline void harmonics(int lmax, int n_edges, Workspace<N> &work)
  {
    constexpr void (*OF_DEGREES[MAX_DEGREES])(int, Workspace<N> &) = {
        all_harmonics<0>, all_harmonics<1>, all_harmonics<2>, all_harmonics<3>,
        all_harmonics<4>, all_harmonics<5>, all_harmonics<6>};
    OF_DEGREES[lmax](n_edges, work);
  }

  /* Computes all edge arrays of `center`, for the first layer or a later one; returns the ZBL energy. */
  template <typename N>
  inline double prepare_edges(const ModelTables<Real<N>> &model, const Neighborhood &host,
                              int center, bool is_first, Edges &edges, Workspace<N> &work)
  {
    find_edges(model, host, center, is_first, edges, work);
    if constexpr (Simd<N>::DUAL)
      unit_vectors(edges, model.cutoff, host.tangents[center], work);
    else
      unit_vectors(edges.n_filled, model.cutoff, work);
    radial_functions(model, edges.n_filled, work);
    harmonics(model.lmax, edges.n_filled, work);
    edges.has_zbl = false;
    const double energy = model.charge ? add_zbl(model, host, center, edges, work) : 0.0;
    if (is_first)
      prepare_functions(model, host.species, edges, work);
    else
      transpose_array(model.n_radial, edges.n_edges, work.radial, work.capacity, work.radial_rows,
                      model.radial_width);
    return energy;
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
