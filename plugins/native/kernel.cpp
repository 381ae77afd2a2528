/* SPDX-License-Identifier: MIT

   One layer of a model over a range of centres, one centre at a time. Compiled once for each
   instruction set; MLPOT_INSTRUCTIONS is the namespace and the name of the set. */

#include "kernel.h"

#include "contraction.h"
#include "density.h"
#include "edges.h"
#include "product.h"

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

  /* What the contracted density gives: energy, hidden values, messages. */
  template <typename T> double send(const Task<T> &task, int center, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    const LayerTables<T> &layer = model.layers[task.layer];
    const int channels = model.n_channels, width = model.message_channels;
    const T *contracted = task.workspace->contracted;
    const auto multiply = task.layer == 0 ? product<T, false> : product<T, true>;
    multiply(1, channels, model.hidden_width, {contracted, channels, 1}, layer.to_hidden,
             model.hidden_width, hidden, model.hidden_width);
    if (task.messages_out) {
      T *out = task.messages_out + static_cast<std::size_t>(center) * model.message_width();
      const T *embedding = layer.message_embedding +
          static_cast<std::size_t>(task.neighborhood.species[center]) * width;
      for (int c = 0; c < width; c++) out[c] = embedding[c];
      product<T, true>(1, channels, width, {contracted, channels, 1}, layer.message[0], width, out,
                       width);
      if (layer.n_components > 1)
        product<T>(3, channels, width, {contracted + channels, channels, 1}, layer.message[1],
                   width, out + width, width);
    }
    return dot(channels, contracted, layer.to_energy);
  }

  /* contracted_adjoint from the derivatives of the hidden values and of the messages */
  template <typename T> void receive(const Task<T> &task, int center, const T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    const LayerTables<T> &layer = model.layers[task.layer];
    const int channels = model.n_channels, width = model.message_channels;
    T *adjoint = task.workspace->contracted_adjoint;
    for (int k = 0; k < channels; k++) adjoint[k] = layer.to_energy[k];
    product<T, true>(1, model.hidden_width, channels, {hidden, model.hidden_width, 1},
                     layer.to_hidden_t, channels, adjoint, channels);
    if (!task.adjoints_out) return;
    const T *messages =
        task.adjoints_out + static_cast<std::size_t>(center) * model.message_width();
    product<T, true>(1, width, channels, {messages, width, 1}, layer.message_t[0], channels,
                     adjoint, channels);
    if (layer.n_components > 1)
      product<T>(3, width, channels, {messages + width, width, 1}, layer.message_t[1], channels,
                 adjoint + channels, channels);
  }

  template <typename T> void density(const Task<T> &task, const Edges &edges)
  {
    const LayerTables<T> &layer = task.model->layers[task.layer];
    if (task.layer == 0)
      species_density(*task.model, layer, edges, *task.workspace);
    else
      message_density(*task.model, layer, task.messages_in, edges, *task.workspace);
  }

  template <typename T> void density_adjoint(const Task<T> &task, const Edges &edges)
  {
    const LayerTables<T> &layer = task.model->layers[task.layer];
    if (task.layer == 0)
      species_density_adjoint(*task.model, layer, edges, *task.workspace);
    else
      message_density_adjoint(*task.model, layer, task.messages_in, task.adjoints_in, edges,
                              *task.workspace);
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

  /* Forces and virials of the edges, in double precision. */
  template <typename T>
  void add_forces(const Edges &edges, int center, bool repulsive, const Workspace<T> &work,
                  Sums &sums)
  {
    double fx = 0.0, fy = 0.0, fz = 0.0, virial[9] = {};
    const bool per_atom = sums.atomic_virials || sums.centroid_virials;
    for (int e = 0; e < edges.n_edges; e++) {
      const double r[3] = {work.x[e], work.y[e], work.z[e]};
      double g[3] = {work.gx[e], work.gy[e], work.gz[e]};
      if (repulsive)
        for (int a = 0; a < 3; a++) g[a] += work.repulsive_slope[e] * r[a] / work.r[e];
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

  /* Layers before the last. */
  template <typename T> double forward(const Task<T> &task, int center, T *hidden)
  {
    const LayerTables<T> &layer = task.model->layers[task.layer];
    contract(*task.model, layer, task.neighborhood.species[center], *task.workspace);
    return send(task, center, hidden);
  }

  template <typename T> void backward(const Task<T> &task, int center, const T *hidden)
  {
    const LayerTables<T> &layer = task.model->layers[task.layer];
    receive(task, center, hidden);
    contraction_adjoint(*task.model, layer, task.neighborhood.species[center], *task.workspace);
  }

  /* The last layer: nothing has to be known of other atoms before the way back. */
  template <typename T> double forward_and_backward(const Task<T> &task, int center, T *hidden)
  {
    const ModelTables<T> &model = *task.model;
    Workspace<T> &work = *task.workspace;
    contract_with_gradient(model, model.layers[task.layer], task.neighborhood.species[center],
                           work);
    double energy = send(task, center, hidden);
    energy += readout(model, hidden);
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
    energy = task.layer == 0 ? energy + model.reference_energies[task.neighborhood.species[center]]
                             : 0.0;
    density(task, edges);
    T *hidden = task.hidden ? task.hidden + static_cast<std::size_t>(k) * model.hidden_width
                            : work.hidden;
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
    add_forces(edges, center, edges.repulsive && task.layer == 0, work, *task.sums);
  }

  template <typename T> void run(const Task<T> &task)
  {
    for (int k = task.first; k < task.last; k++) {
      const int center = task.neighborhood.centers[k];
      if (task.neighborhood.species[center] >= 0) run_center(task, k, center);
    }
  }

#define MLPOT_STRING_OF(name) #name
#define MLPOT_STRING(name) MLPOT_STRING_OF(name)

  extern const Kernels kernels;
  const Kernels kernels = {MLPOT_STRING(MLPOT_INSTRUCTIONS), MLPOT_VECTOR_BYTES,
                           MLPOT_VECTOR_BYTES * MLPOT_PACK_VECTORS, run<float>, run<double>};

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot
