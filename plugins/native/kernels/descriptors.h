/* SPDX-License-Identifier: MIT

   Descriptors of a center (the features h_t of all layers and the activated hidden values of the last readout)
   and their distance from the training set. */

#ifndef MLPOT_DESCRIPTORS_H
#define MLPOT_DESCRIPTORS_H

#include "kernels/density_gate.h"
#include "kernels/layer.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mlpot {
namespace MLPOT_ISA {

  inline bool needs_distances(const Sums &sums)
  {
    return sums.feature_distances || sums.distance_sums;
  }

  /* Squared Euclidean distance of whitened descriptors from the mean of a cluster. */
  template <typename T> double plain_square(int width, const T *whitened, const T *mean)
  {
    Vector<T> total = {};
    for (int k = 0; k < width; k += Simd<T>::LANES) {
      const Vector<T> difference = load(whitened + k) - load(mean + k);
      total += difference * difference;
    }
    return static_cast<double>(sum<T>(total));
  }

  /* Squared Mahalanobis distance from a cluster; the sum stops once it exceeds `nearest`. */
  template <typename T>
  double square_from(const ModelTables<T> &model, int cluster, double nearest, Workspace<T> &work)
  {
    constexpr int LANES = Simd<T>::LANES, CHAINS = std::min(4, LANES);
    const std::size_t width = model.cluster_width;
    const T *mean = model.cluster_mean + cluster * width;
    const T *whitening = model.cluster_whitening + cluster * width * width;
    for (std::size_t k = 0; k < width; k += LANES)
      store<T>(work.ensemble.difference + k, load(work.ensemble.whitened + k) - load(mean + k));
    double total = 0.0;
    for (std::size_t first = 0; first < width && total < nearest; first += LANES) {
      Vector<T> sums[CHAINS] = {};
      const T *column = whitening + first;
      for (std::size_t k = 0; k < first + LANES; k += CHAINS)    // the rest is zero
        for (int i = 0; i < CHAINS; i++)
          sums[i] += work.ensemble.difference[k + i] * load(column + (k + i) * width);
      for (int i = 1; i < CHAINS; i++) sums[0] += sums[i];
      total += static_cast<double>(sum<T>(sums[0] * sums[0]));
    }
    return total;
  }

  /* Distance from the nearest cluster of the element. The cluster with the closest mean comes first: it is often
     the nearest, which shortens the sums of the others. */
  template <typename T>
  double feature_distance(const ModelTables<T> &model, int species, const T *row,
                          Workspace<T> &work)
  {
    const int first = model.first_cluster[species], last = model.first_cluster[species + 1];
    if (first == last) return std::numeric_limits<double>::infinity();
    const std::size_t width = model.descriptor_width, columns = model.cluster_width;
    const T *mean = model.distance_mean + species * width;
    for (std::size_t k = 0; k < width; k++) work.ensemble.difference[k] = row[k] - mean[k];
    product<T>(1, model.descriptor_width, model.descriptor_width,
               {work.ensemble.difference, model.descriptor_width, 1},
               model.distance_whitening + species * width * width, model.descriptor_width,
               work.ensemble.whitened, model.descriptor_width);
    for (std::size_t k = width; k < columns; k++) work.ensemble.whitened[k] = T(0);
    int closest = first;
    double least = std::numeric_limits<double>::infinity();
    for (int cluster = first; cluster < last; cluster++) {
      const double square = plain_square(model.cluster_width, work.ensemble.whitened,
                                         model.cluster_mean + cluster * columns);
      if (square < least) closest = cluster;
      least = std::min(least, square);
    }
    double nearest = square_from(model, closest, std::numeric_limits<double>::infinity(), work);
    for (int cluster = first; cluster < last; cluster++)
      if (cluster != closest)
        nearest = std::min(nearest, square_from(model, cluster, nearest, work));
    return std::sqrt(nearest);
  }

  /* Contributions of a center to the weighted mean squares of itself and of its neighbors. */
  template <typename T>
  void add_to_neighborhoods(const Task<T> &task, const Edges &edges, int center, double distance)
  {
    const Workspace<T> &work = *task.workspace;
    double *sums = task.sums->distance_sums;
    const double square = distance * distance;
    sums[2 * static_cast<std::size_t>(center)] += square;
    sums[2 * static_cast<std::size_t>(center) + 1] += 1.0;
    for (int e = 0; e < edges.n_edges; e++) {
      const double x = work.r[e] / task.model->cutoff, weight = 1.0 - x * x;
      if (!(weight > 0.0)) continue;    // the square may be infinite
      double *sum = sums + 2 * static_cast<std::size_t>(work.index[e]);
      sum[0] += weight * square;
      sum[1] += weight;
    }
  }

  /* Descriptors of the center: contributions of this layer. After the last one, distances. */
  template <typename T>
  void add_descriptors(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, width = model.descriptor_width;
    T *row = task.descriptors ? task.descriptors + static_cast<std::size_t>(k) * width
                              : work.ensemble.descriptors;
    const int features = (model.n_layers - task.layer) * channels;
    const auto multiply = task.layer == 0 ? product<T, false, T> : product<T, true, T>;
    multiply(1, channels, features, {work.product_basis, channels, 1}, task.weights->to_features,
             features, row + task.layer * channels, features);
    if (task.layer == 0) apply_gate(work.gate, features - channels, row + channels, row + channels);
    if (task.pass != Pass::Both) return;
    T *hidden = row + model.n_layers * channels;
    for (int j = 0; j < model.hidden_width; j++) hidden[j] = work.activated[j];
    if (!needs_distances(*task.sums)) return;
    const double own = feature_distance(model, species_of(task, center), row, work);
    if (task.sums->feature_distances) task.sums->feature_distances[center] = own;
    if (task.sums->distance_sums) add_to_neighborhoods(task, edges, center, own);
  }

  template <typename T>
  void record_descriptors(const Task<T> &task, const Edges &edges, int k, int center)
  {
    if (task.descriptors || needs_distances(*task.sums)) add_descriptors(task, edges, k, center);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
