/* SPDX-License-Identifier: MIT

   What is known of a centre beyond the mean of a committee: descriptors, their distance from the training set,
   and the deviations of the members, each of which has an adjoint of its own. Members of a shallow committee
   differ in the readout alone: up to the contracted density all is done, and the gradient of that is the same
   for all. */

#ifndef MLPOT_MEMBERS_H
#define MLPOT_MEMBERS_H

#include "familiarity.h"
#include "layer.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mlpot {
namespace MLPOT_ISA {

  inline void fail(Sums &sums, int center, bool energy)
  {
    if (sums.failed_atom >= 0) return;
    sums.failed_atom = center;
    sums.failed_energy = energy;
  }

  inline bool asks_for_distances(const Sums &sums)
  {
    return sums.feature_distances || sums.distance_sums;
  }

  template <typename T> inline bool is_deep(const Task<T> &task)
  {
    return task.n_members > 1;
  }

  /* The task of one member of a deep committee. */
  template <typename T> inline Task<T> member_of(const Task<T> &task, int m, int center)
  {
    Task<T> own = task;
    own.model = task.members[m];
    take_weights(own, center);
    const int messages = m * own.model->message_width();
    if (own.messages_in) own.messages_in += messages;
    if (own.messages) own.messages += messages;
    if (own.messages_out) own.messages_out += messages;
    if (own.adjoints_in) own.adjoints_in += messages;
    if (own.adjoints_out) own.adjoints_out += messages;
    if (own.hidden) own.hidden += m * own.model->hidden_width;
    return own;
  }

  /* Square of the distance from the centre of a cluster, of whitened descriptors as they are. */
  template <typename T> double plain_square(int width, const T *whitened, const T *mean)
  {
    Vector<T> total = {};
    for (int k = 0; k < width; k += Simd<T>::LANES) {
      const Vector<T> away = load(whitened + k) - load(mean + k);
      total += away * away;
    }
    return static_cast<double>(sum<T>(total));
  }

  /* Square of the distance from a cluster in its own measure; not to the end where it is above `nearest`. */
  template <typename T>
  double square_from(const ModelTables<T> &model, int cluster, double nearest, Workspace<T> &work)
  {
    constexpr int LANES = Simd<T>::LANES, CHAINS = std::min(4, LANES);
    const std::size_t width = model.cluster_width;
    const T *mean = model.cluster_mean + cluster * width;
    const T *whitening = model.cluster_whitening + cluster * width * width;
    for (std::size_t k = 0; k < width; k += LANES)
      store<T>(work.away + k, load(work.whitened + k) - load(mean + k));
    double total = 0.0;
    for (std::size_t first = 0; first < width && total < nearest; first += LANES) {
      Vector<T> sums[CHAINS] = {};
      const T *column = whitening + first;
      for (std::size_t k = 0; k < first + LANES; k += CHAINS)    // the rest is zero
        for (int i = 0; i < CHAINS; i++)
          sums[i] += work.away[k + i] * load(column + (k + i) * width);
      for (int i = 1; i < CHAINS; i++) sums[0] += sums[i];
      total += static_cast<double>(sum<T>(sums[0] * sums[0]));
    }
    return total;
  }

  /* From the nearest cluster of the element. That with the nearest centre comes first: it is often the one, and
     most of the work on the others is spared. */
  template <typename T>
  double distance(const ModelTables<T> &model, int species, const T *row, Workspace<T> &work)
  {
    const int first = model.first_cluster[species], last = model.first_cluster[species + 1];
    if (first == last) return std::numeric_limits<double>::infinity();
    const std::size_t width = model.descriptor_width, columns = model.cluster_width;
    const T *mean = model.distance_mean + species * width;
    for (std::size_t k = 0; k < width; k++) work.away[k] = row[k] - mean[k];
    product<T>(1, model.descriptor_width, model.descriptor_width,
               {work.away, model.descriptor_width, 1},
               model.distance_whitening + species * width * width, model.descriptor_width,
               work.whitened, model.descriptor_width);
    for (std::size_t k = width; k < columns; k++) work.whitened[k] = T(0);
    int closest = first;
    double least = std::numeric_limits<double>::infinity();
    for (int cluster = first; cluster < last; cluster++) {
      const double square =
          plain_square(model.cluster_width, work.whitened, model.cluster_mean + cluster * columns);
      if (square < least) closest = cluster;
      least = std::min(least, square);
    }
    double nearest = square_from(model, closest, std::numeric_limits<double>::infinity(), work);
    for (int cluster = first; cluster < last; cluster++)
      if (cluster != closest)
        nearest = std::min(nearest, square_from(model, cluster, nearest, work));
    return std::sqrt(nearest);
  }

  /* What the distance of a centre is to itself and to its neighbours. */
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
      if (work.candidate[e] < 0 || !(weight > 0.0)) continue;    // the square may be infinite
      double *sum = sums + 2 * static_cast<std::size_t>(work.index[e]);
      sum[0] += weight * square;
      sum[1] += weight;
    }
  }

  /* Descriptors of the centre as far as the layers up to this one have them. */
  template <typename T> void describe(const Task<T> &task, const Edges &edges, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, width = model.descriptor_width;
    T *row = task.descriptors ? task.descriptors + static_cast<std::size_t>(k) * width
                              : work.descriptors;
    const int features = (model.n_layers - task.layer) * channels;
    const auto multiply = task.layer == 0 ? product<T, false, T> : product<T, true, T>;
    multiply(1, channels, features, {work.contracted, channels, 1}, task.weights->to_features,
             features, row + task.layer * channels, features);
    if (task.layer == 0) hear(work.known, features - channels, row + channels, row + channels);
    if (task.pass != Pass::Both) return;
    T *hidden = row + model.n_layers * channels;
    for (int j = 0; j < model.hidden_width; j++) hidden[j] = work.activated[j];
    if (!asks_for_distances(*task.sums)) return;
    const double away = distance(model, species_of(task, center), row, work);
    if (task.sums->feature_distances) task.sums->feature_distances[center] = away;
    if (task.sums->distance_sums) add_to_neighborhoods(task, edges, center, away);
  }

  /* What this layer adds to the energies of the members of a shallow committee. */
  template <typename T> void add_deviation_energies(const Task<T> &task, int center)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int width = model.deviation_width;
    const bool split = task.layer == 0 && work.known.factor < 1.0;
    product<T>(1, model.n_channels, width,
               {split ? work.heard : work.contracted, model.n_channels, 1},
               task.weights->to_deviations, width, work.deviation_energies, width);
    if (split)
      product<T, true>(1, model.n_channels, width, {work.not_heard, model.n_channels, 1},
                       task.weights->to_own_deviations, width, work.deviation_energies, width);
    if (task.pass == Pass::Both)
      product<T, true>(1, model.hidden_width, width, {work.activated, model.hidden_width, 1},
                       model.hidden_to_deviations, width, work.deviation_energies, width);
    double total = 0.0;
    for (int r = 0; r < task.n_deviations; r++) {
      task.sums->deviation_energies[r] += work.deviation_energies[r];
      total += work.deviation_energies[r];
    }
    if (!std::isfinite(total)) fail(*task.sums, center, true);
  }

  /* What is to be known of a member's energy besides the sum. */
  template <typename T>
  void note_member(const Task<T> &task, const Edges &edges, int m, double energy, int k, int center)
  {
    const Sums &sums = *task.sums;
    if (m == 0 && (task.descriptors || asks_for_distances(sums))) describe(task, edges, k, center);
    if (!sums.deviation_energies) return;
    if (!is_deep(task))
      add_deviation_energies(task, center);
    else if (m < task.n_deviations)
      sums.deviation_energies[m] += task.n_members * energy;
  }

  /* Adjoint of the sums over the neighbours as one member, or one deviation, has it. */
  template <typename T> T *own_sums(const Task<T> &task, const Edges &edges, int m)
  {
    return task.workspace->sum_adjoints + (m + 1) * edges.n_groups * adjoint_size(*task.model);
  }

  /* Derivatives of the contracted density, one component after the other, with respect to the mixed one. */
  template <typename T> void component_gradients(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, n = model.n_harmonics() * channels;
    const int n_components = model.layers[task.layer].n_components;
    clear(work.gradients, static_cast<std::size_t>(n_components) * n);
    for (int component = 0; component < n_components; component++)
      for_each_pack<T>(channels, [&](int channel, auto vectors) {
        using P = Pack<T, vectors>;
        P components[MAX_COMPONENTS];
        for (P &c : components) c = P::zero();
        components[component] = ones<T, vectors>();
        Walk<T, vectors> walk = walk_of_pack(task, channel, components);
        walk.gradient = work.gradients + component * n + channel;
        add_gradient_of<DEEPEST, true>(walk, ones<T, vectors>());
      });
  }

  /* Derivatives of the deviations with respect to the hidden values, [deviation][hidden]. */
  template <typename T> T *deviation_hidden(const Task<T> &task, int k)
  {
    const int width = task.model->hidden_width;
    T *hidden = task.deviation_hidden
        ? task.deviation_hidden + static_cast<std::size_t>(k) * task.n_deviations * width
        : task.workspace->deviation_hidden;
    if (task.pass == Pass::Both)
      for (int r = 0; r < task.n_deviations; r++)
        for (int j = 0; j < width; j++)
          hidden[r * width + j] =
              task.model->hidden_to_deviations_t[r * width + j] * task.workspace->hidden_slope[j];
    return hidden;
  }

  /* Derivatives of the deviations with respect to the contracted density, [deviation][component][channel]. */
  template <typename T> void seed_with_deviations(const Task<T> &task, int k, int center)
  {
    const ModelTables<T> &model = *task.model;
    const ElementTables<T> &weights = *task.weights;
    const int n = task.n_deviations, channels = model.n_channels, width = model.message_channels;
    const int stride = model.layers[task.layer].n_components * channels;
    T *seeds = task.workspace->deviation_seeds;
    for (int r = 0; r < n; r++)
      for (int c = 0; c < channels; c++)
        seeds[r * stride + c] = weights.to_deviations_t[r * channels + c];
    product<T, true>(n, model.hidden_width, channels,
                     {deviation_hidden(task, k), model.hidden_width, 1}, weights.to_hidden_t,
                     channels, seeds, stride);
    if (!task.deviation_adjoints_out) return;
    T *messages = task.workspace->message_adjoint;
    const int next = model.message_width();
    for (int r = 0; r < n; r++)
      find_message_adjoint(task, center, task.deviation_adjoints_out + r * task.deviation_stride,
                           messages + r * next);
    product<T, true>(n, width, channels, {messages, next, 1}, weights.message_t[0], channels, seeds,
                     stride);
    for (int r = 0; r < n; r++)
      for (int l = 1; l < model.n_message_degrees; l++)
        product<T>(2 * l + 1, width, channels, {messages + r * next + l * l * width, width, 1},
                   weights.message_t[l], channels, seeds + r * stride + l * l * channels, channels);
  }

  /* From adjoints of what is heard of the contracted density to those of all of it. */
  template <typename T> void hear_deviations(const Task<T> &task)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels;
    const int stride = model.layers[task.layer].n_components * channels;
    const bool first = task.layer == 0;
    for (int r = 0; r < task.n_deviations; r++) {
      T *seeds = work.deviation_seeds + r * stride;
      const T *own = first ? task.weights->to_own_deviations_t + r * channels : nullptr;
      for (int c = 0; first && c < channels; c++) seeds[c] -= own[c];
      work.deviation_products[r] = unfaded_product(work.known, stride, work.contracted, seeds);
      hear(work.known, stride, seeds, seeds);
      for (int c = 0; first && c < channels; c++) seeds[c] += own[c];
    }
  }

  /* mixed_adjoint of one deviation */
  template <typename T> void deviation_adjoint(const Task<T> &task, int r)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, n_harmonics = model.n_harmonics();
    const int n_components = model.layers[task.layer].n_components;
    const T *seeds = work.deviation_seeds + r * n_components * channels;
    for (int lm = 0; lm < n_harmonics; lm++)
      for (int c = 0; c < channels; c += Simd<T>::LANES) {
        Vector<T> total = {};
        for (int component = 0; component < n_components; component++)
          total += load(seeds + component * channels + c) *
              load(work.gradients + (component * n_harmonics + lm) * channels + c);
        store<T>(work.mixed_adjoint + lm * channels + c, total);
      }
    if (work.known.factor < 1.0)
      add_adjoint_of_familiarity(task, work.known, work.deviation_products[r]);
  }

  /* Adjoints of the sums over the neighbours of all deviations at once, [deviation][group][adjoint_size], where
     the contracted density has one component: a harmonic at a time, whose rows are the deviations. */
  template <typename T> void unmix_deviations(const Task<T> &task, const Edges &edges, T *out)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    const int channels = model.n_channels, columns = radial_columns<T>(model);
    const int size = adjoint_size(model);
    for (int l = 0; l <= model.lmax; l++)
      for (int lm = l * l; lm < (l + 1) * (l + 1); lm++) {
        const T *gradients = work.gradients + lm * channels;
        for (int r = 0; r < task.n_deviations; r++)
          for (int c = 0; c < channels; c += Simd<T>::LANES)
            store<T>(work.deviation_rows + r * channels + c,
                     load(work.deviation_seeds + r * channels + c) * load(gradients + c));
        for (int g = 0; g < edges.n_groups; g++)
          product<T>(task.n_deviations, channels, columns, {work.deviation_rows, channels, 1},
                     unmix_of(task, g, l), model.radial_width, out + g * size + lm * columns,
                     edges.n_groups * size);
      }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
