/* SPDX-License-Identifier: MIT

   Interface between the engine and its kernels, which are compiled once for each instruction set.

   It consists of plain structures and pointers: an inline function of the C++ library that was
   compiled for a newer processor must never be shared with the rest of the engine.

   Symbols of the atomic cluster expansion: density = sums over neighbors of radial functions times
   spherical harmonics; atomic basis A = density mixed into channels; product basis B = invariant and
   equivariant products of A.

   Each row is padded to start at a vector: channels to a multiple of `pack` values, every other
   vectorized index to a multiple of `lanes`. Padding holds zeros.

   Tables are real numbers T. Everything computed from them is of type N: T itself, or Dual<T> in
   training (see training_kernel.cpp). */

#ifndef MLPOT_KERNEL_H
#define MLPOT_KERNEL_H

#include <cstddef>

namespace mlpot {

constexpr int MAX_LAYERS = 3;
constexpr int MAX_DEGREES = 7;    // lmax + 1
constexpr int MAX_MESSAGE_DEGREES = 3;
constexpr int MAX_COMPONENTS = MAX_MESSAGE_DEGREES * MAX_MESSAGE_DEGREES;

/* Degree l of a component of a message. */
constexpr int degree_of(int component)
{
  return component < 1 ? 0 : component < 4 ? 1 : 2;
}

/* A number and its derivative along a direction. Arrays hold blocks of `lanes` values followed by
   `lanes` tangents. */
template <typename T> struct Dual {
  T value, tangent;
};

template <typename N> struct RealOf {
  using Type = N;
};
template <typename T> struct RealOf<Dual<T>> {
  using Type = T;
};
template <typename N> using Real = typename RealOf<N>::Type;

/* Weights of one layer for the element of the center. All linear maps behind the product basis are
   folded: the energy and the hidden values of the last readout are linear in the product basis. */
template <typename T> struct ElementTables {
  // first layer; one species of the neighbor where elements have radial functions of their own
  const T *mix;      // [species of the neighbor][l][function][channel]
  const T *mix_t;    // [species of the neighbor][l][channel][function]

  const T *path_mix[MAX_DEGREES];      // later layers: [path, message channel][channel]
  const T *path_mix_t[MAX_DEGREES];    // [channel][path, message channel]

  const T *polynomial_values;    // [node][channel]

  const T *to_energy;        // [channel], eV
  const T *to_own_energy;    // first of several layers: the part of this layer's own readout
  const T *to_hidden;        // [channel][hidden]
  const T *to_hidden_t;      // [hidden][channel]

  const T *to_deviations;                              // [channel][deviation], eV
  const T *to_deviations_t;                            // [deviation][channel]
  const T *to_own_deviations, *to_own_deviations_t;    // as to_own_energy
  const T *to_features;    // [channel][features of this layer, of the next one, ...]

  const T *message[MAX_MESSAGE_DEGREES];    // [l]: [channel][message channel]
  const T *message_t[MAX_MESSAGE_DEGREES];
  const T *message_embedding;    // [message channel]

  double gate_threshold;    // |A|^2 up to which the density gate is 1; see density_gate.h
};

/* One layer of the model, in the arithmetic T. */
template <typename T> struct LayerTables {
  ElementTables<T> *elements;    // [species]

  const T *radial;    // later layers: [l1][radial][l2, message channel]
  const int
      *couplings;    // Clebsch-Gordan: [n_couplings][2]: row of the result, row of the density
  const T *coupling_values;
  int n_couplings;
  int n_paths[MAX_DEGREES];

  const int *polynomial;    // see polynomial.h; factors are multiplied by n_channels
  int n_components;         // of the product basis: (degree of messages + 1)^2
};

template <typename T> struct ModelTables {
  int n_layers, lmax, n_species, n_radial, envelope_power, n_message_degrees;
  int n_functions;    // radial functions in the first layer: the basis, or those of each element
  // padded
  int radial_width, functions_width, n_channels, message_channels, hidden_width;
  double cutoff;
  T distance_transform;                // of the radial functions
  const double *reference_energies;    // [species], eV
  const double *charge, *radius;       // [species]: nuclear charge; A; null without ZBL repulsion
  const T *radial_scale;               // [radial]: prefactors of the Bessel functions
  const T *radial_mix;          // [species][radial][function]; null: the functions are the basis
  const T *hidden_to_energy;    // [hidden], eV
  LayerTables<T> layers[MAX_LAYERS];

  // shallow committees: energies of members, all but the last, minus their mean
  int n_deviations, deviation_width;
  const T *hidden_to_deviations;      // [hidden][deviation], eV
  const T *hidden_to_deviations_t;    // [deviation][hidden]

  // descriptors: features of all layers, hidden values
  int descriptor_width;
  const T *distance_mean;         // [species][descriptor]; null without feature distance
  const T *distance_whitening;    // [species][descriptor][whitened descriptor]
  const int *first_cluster;       // [species + 1]: none for elements outside the training set
  int cluster_width;              // whitened descriptors, in whole vectors
  const T *cluster_mean;          // [cluster][whitened descriptor]
  const T *cluster_whitening;     // [cluster][whitened descriptor][component of the distance]

  int n_harmonics() const { return (lmax + 1) * (lmax + 1); }
  int message_components() const { return n_message_degrees * n_message_degrees; }
  int message_width() const { return message_components() * message_channels; }
};

/* Neighbor lists as in mlpot_atoms; r_ij = (r_j - r_i) + offset. */
struct Neighborhood {
  const int *species;
  const double *positions;
  const int *centers;
  const int *n_neighbors;
  int *const *neighbors;
  const double *const *offsets;    // [atom] -> [image or list slot][3], A; null: no offsets
  const int *const *images;        // [atom] -> [list slot]; null: one offset per list slot
  int neighbor_mask;
  const double *const *tangents;    // [atom] -> [list slot][3]: direction; duals only
  double *const *edge_gradients;    // [atom] -> [list slot][3]: dE/dr_ij is added; may be null
};

/* Edges to neighbors of one species; or all edges, as if of the first species. */
struct Group {
  int species, first, count;
};

/* Edges of a center. */
struct Edges {
  int n_species, n_groups;    // of the workspace: species_groups, groups
  int n_edges, n_filled;      // n_filled: with the empty ones
  bool has_zbl;               // some edge lies inside the ZBL switching radius
};

/* Density gate of a center: f, and (df/dA) / A for its atomic basis A. */
struct DensityGate {
  double factor, derivative;
};

/* Temporary arrays of descriptors and of the members of committees; not of duals. */
template <typename N> struct EnsembleWorkspace {
  N *descriptors;                  // [descriptor]
  N *whitened;                     // [whitened descriptor]
  N *difference;                   // the same: from the mean of the training set or of a cluster
  N *energies, *hidden, *seeds;    // [deviation]...
  double *products;                // [deviation]: its B.R, see density_gate.h
  N *rows;                         // [deviation][channel]: of one harmonic
  N *component_gradients;          // [component][lm][channel]
  N *harmonics_adjoint, *distance_adjoint;    // [member][lm][edge], [member][edge]
};

/* Temporary arrays of layers that take messages. */
template <typename N> struct MessageWorkspace {
  N *radial, *radial_derivative;    // [l1][edge][l2, message channel]
  N *backward;                      // [edge][component, message channel]; duals only
  N *density;                       // [lm][component, message channel]
  N *arranged;                      // its adjoint in another order; not of duals
  N *coupled;                       // [L M][path, message channel]
  N *adjoint;    // [mean or deviation][component, message channel]: of the center
};

/* Temporary arrays for one center at a time. */
template <typename N> struct Workspace {
  int capacity;                         // edges
  Group *species_groups, *all_edges;    // [species], one
  Group *groups;                        // one of these: what is summed apart in the first layer
  int *group_of;                        // [species]
  double *x, *y, *z;                    // twice the capacity, as index and list_slot
  double *r, *zbl_derivative;
  double *radial_tangent;    // of r; duals only
  int *index, *order;
  int *list_slot;    // place in the neighbor list of the center
  N *ux, *uy, *uz, *inverse;
  N *one_minus_x;                                 // 1 - r / cutoff
  N *harmonics;                                   // [lm][edge]
  N *radial, *radial_derivative;                  // [radial][edge]
  N *mixed_radial, *mixed_radial_derivative;      // [function][edge]; with radial_mix
  const N *functions, *function_derivatives;      // these, or the basis
  N *radial_rows, *radial_derivative_rows;        // [edge][radial]
  N *function_rows, *function_derivative_rows;    // [edge][function]; of the first layer
  N *harmonics_adjoint;                           // [lm][edge]
  N *distance_adjoint;                            // [edge]
  N *edge_gradients;                              // [mean, deviations][x, y, z][edge]
  N *density;                                     // [group][lm][function]
  N *density_adjoint;                          // [mean, members][group][lm][function]; not of duals
  N *atomic_basis, *atomic_basis_adjoint;      // A: [lm][channel]
  N *product_basis, *product_basis_adjoint;    // B: [component][channel]
  N *gated_basis, *ungated_rest;               // f B, B - f B of the first layer; not of duals
  DensityGate gate;                            // of the center; not of duals
  N *hidden, *activated, *silu_derivative;
  MessageWorkspace<N> messages;
  EnsembleWorkspace<N> ensemble;
};

/* Sums over centers of what the members of a committee, all but the last, have beyond the mean: the
   deviations of all members sum to zero. Null: not requested. */
struct DeviationSums {
  double *energies;    // [deviation]
  double *forces;      // [atom][deviation][3]
  double *virials;     // [deviation][9]
};

/* Sums of one thread. Arrays that are not requested are null. */
struct Sums {
  double energy;
  double virial[9];
  double *atomic_energies, *forces, *atomic_virials, *centroid_virials;
  double *feature_distances;    // [atom]: of the centers
  double *distance_sums;        // [atom][2]: see engine_api.h
  DeviationSums deviations;
  int failed_atom;
  bool failed_energy;    // else a force
};

enum class Pass { Forward, Backward, Both };

/* What is kept between layers; null in models with one layer. */
template <typename N> struct LayerState {
  const N *messages_in;     // [atom][message width]: damped, of the layer before
  N *messages;              // [atom][message width]: rows of the centers, before damping
  N *damped_messages;       // the same after damping: what neighbors receive
  N *adjoints_in;           // dE/d(messages_in), added to; only of this thread
  const N *adjoints_out;    // dE/d(damped_messages)
  // [center][member][hidden width]: sums over the layers; after the last one their adjoints
  N *hidden;
  int message_stride, hidden_stride;    // values per atom, per center
};

/* Members of a committee. A deep committee is several models, each with its energy divided by their
   number, so that energies add up; they share everything about the edges. A shallow one is one model
   with several readouts. A single model has one member and no deviations. */
template <typename N> struct Ensemble {
  const ModelTables<Real<N>> *const *members;
  int n_members;    // of a deep committee, else 1
  // all members as one wide model, or null; see deep_committee.h
  const ModelTables<Real<N>> *side_by_side;
  int n_deviations;    // of either kind of committee

  // shallow committees of several layers, where forces of members are requested; else null
  std::size_t deviation_stride;    // values of all atoms
  N *deviation_adjoints_in;        // [deviation][atom][message width]
  const N *deviation_adjoints_out;
  N *deviation_hidden;    // [center][deviation][hidden width]
};

/* Training: see training_kernel.cpp. */
template <typename N> struct TableGradients {
  const double *energy_seeds;    // [atom]
  const Real<N> *tables;         // start of the learned tables ...
  Real<N> *gradients;            // ... and, in the same order, the derivatives with respect to them
};

/* One pass of one layer over the centers [first, last). */
template <typename N> struct Task {
  // inputs
  const ModelTables<Real<N>> *model;        // the single one, or the member that is being computed
  const ElementTables<Real<N>> *weights;    // of this layer, for the element of the center
  int layer;
  Pass pass;
  Neighborhood neighborhood;
  int first, last;
  const int *order;    // [last - first]: the centers in the order of computation; null: as they are

  LayerState<N> state;

  // results
  Sums *sums;
  N *descriptors;    // [center][descriptor]; null: not requested, or one layer

  Ensemble<N> ensemble;
  TableGradients<N> training;    // duals only
  Workspace<N> *workspace;
};

struct Kernels {
  const char *name;
  int vector_bytes;    // lanes = vector_bytes / sizeof(T)
  int pack_bytes;
  void (*run_float)(const Task<float> &);
  void (*run_double)(const Task<double> &);
};

/* The same for duals, used in training. */
struct TrainingKernels {
  const char *name;
  void (*run_float)(const Task<Dual<float>> &);
  void (*run_double)(const Task<Dual<double>> &);
};

/* The fastest that this processor can run, or those named by the environment variable MLPOT_ISA. */
const Kernels &choose_kernels();
const TrainingKernels &choose_training_kernels();

}    // namespace mlpot

#endif
