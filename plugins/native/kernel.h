/* SPDX-License-Identifier: MIT

   The border between the engine and its kernels, which are compiled once for each instruction set.

   Only plain structures and pointers cross it: an inline function of the C++ library that was
   compiled for a newer processor must never be shared with the rest of the engine.

   Rows are padded so that every one starts at a vector: channels to `pack` values, everything else
   that vectors run over to `lanes`. Padding holds zeros.

   Tables are real numbers T; what is computed from them are numbers N: T itself, or Dual<T> in
   training. See training_kernel.cpp for what the derivative along a direction is good for there. */

#ifndef MLPOT_KERNEL_H
#define MLPOT_KERNEL_H

#include <cstddef>

namespace mlpot {

constexpr int MAX_LAYERS = 3;
constexpr int MAX_DEGREES = 7;    // lmax + 1
constexpr int MAX_MESSAGE_DEGREES = 3;
constexpr int MAX_COMPONENTS = MAX_MESSAGE_DEGREES * MAX_MESSAGE_DEGREES;

/* Degree that a component of a message belongs to. */
constexpr int degree_of(int component)
{
  return component < 1 ? 0 : component < 4 ? 1 : 2;
}

/* A number and its derivative along a direction. In an array, `lanes` of them lie as so many values,
   followed by as many tangents. */
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

/* Weights of one layer that belong to the element of the centre. All linear maps behind the contraction
   are folded: the hidden values of the last readout and the energy are linear in the contracted
   densities. */
template <typename T> struct ElementTables {
  const T *mix;      // first layer: [species of the neighbour][l][radial][channel]
  const T *mix_t;    // [species of the neighbour][l][channel][radial]

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

  double
      largest_square;    // of the mixed density, of an atom that is heard in full; see familiarity.h
};

/* One layer of the model, in the arithmetic T. */
template <typename T> struct LayerTables {
  ElementTables<T> *elements;    // [species]

  const T *radial;         // later layers: [l1][radial][l2, message channel]
  const int *couplings;    // [n_couplings][2]: row of the result, row of the density
  const T *coupling_values;
  int n_couplings;
  int n_paths[MAX_DEGREES];

  const int *polynomial;    // see polynomial.h; factors are multiplied by n_channels
  int n_components;         // of the contracted density: (degree of messages + 1)^2
};

template <typename T> struct ModelTables {
  int n_layers, lmax, n_species, n_radial, envelope_power, n_message_degrees;
  // padded
  int radial_width, n_channels, message_channels, hidden_width;
  double cutoff;
  T distance_transform;                // of the radial functions
  const double *reference_energies;    // [species], eV
  const double *charge, *radius;       // [species]: of the nucleus; A; null without core repulsion
  const T *radial_scale;               // [radial]: prefactors of the Bessel functions
  const T *hidden_to_energy;           // [hidden], eV
  LayerTables<T> layers[MAX_LAYERS];

  // shallow committees: what the energies of members, all but the last, differ by from their mean
  int n_deviations, deviation_width;
  const T *hidden_to_deviations;      // [hidden][deviation], eV
  const T *hidden_to_deviations_t;    // [deviation][hidden]

  // descriptors: features of all layers, hidden values
  int descriptor_width;
  const T *distance_mean;         // [species][descriptor]; null without feature distance
  const T *distance_whitening;    // [species][descriptor][whitened descriptor]
  const int *first_cluster;    // [species + 1]: none of elements that were not in the training set
  int cluster_width;           // whitened descriptors, in whole vectors
  const T *cluster_mean;       // [cluster][whitened descriptor]
  const T *cluster_whitening;    // [cluster][whitened descriptor][component of the distance]

  int n_harmonics() const { return (lmax + 1) * (lmax + 1); }
  int message_components() const { return n_message_degrees * n_message_degrees; }
  int message_width() const { return message_components() * message_channels; }
};

/* Candidates for neighbours, as in mlpot_atoms; r_ij = (r_j - r_i) + offset. */
struct Neighborhood {
  const int *species;
  const double *positions;
  const int *centers;
  const int *n_neighbors;
  int *const *neighbors;
  const double *const *offsets;    // [atom] -> [image or neighbour][3], A; may be null: no offsets
  const int *const *images;    // [atom] -> [neighbour]; may be null: an offset for each neighbour
  int neighbor_mask;
  const double *const *tangents;    // the same for the direction of the derivative; duals only
  double *const *edge_gradients;    // the same for dE/dr_ij, which is added to; may be null
};

/* Edges [first, last) to neighbours of one species, whole vectors of them, `count` of them not empty. */
struct Group {
  int species, first, last, count;
};

/* How far later layers hear a centre: f; and (df/dA) / A of its mixed density A. */
struct Familiarity {
  double factor, slope;
};

/* Room for one centre at a time. */
template <typename N> struct Workspace {
  int capacity;    // edges
  Group *groups;
  double *x, *y, *z;    // twice the capacity, as index and candidate
  double *r, *repulsive_slope;
  double *along;    // tangent of r; duals only
  int *index, *order;
  int *candidate;    // place in the list of the centre; -1: empty edge
  N *ux, *uy, *uz, *inverse, *ratio;
  N *harmonics;                          // [lm][edge]
  N *radial, *slope;                     // [radial][edge]
  N *radial_rows, *slope_rows;           // [edge][radial]
  N *harmonics_adjoint;                  // [lm][edge]
  N *slope_adjoint;                      // [edge]
  N *edge_gradients;                     // [mean, deviations][x, y, z][edge]
  N *density;                            // [group][lm][radial]
  N *mixed, *mixed_adjoint;              // [lm][channel]
  N *contracted, *contracted_adjoint;    // [component][channel]
  N *heard, *not_heard;                  // [component][channel]: of the first layer's; not of duals
  Familiarity known;                     // of the centre; not of duals
  N *hidden, *activated, *hidden_slope;
  N *descriptors;        // [descriptor]
  N *whitened, *away;    // [whitened descriptor]; from the mean of the training set or of a cluster
  // committees
  N *deviation_energies, *deviation_hidden, *deviation_seeds;    // see members.h
  double *deviation_products;                            // [deviation]: its B.R, see familiarity.h
  N *deviation_rows;                                     // [deviation][channel]: of one harmonic
  N *gradients;                                          // [component][lm][channel]
  N *sum_adjoints;                                       // [mean, members][group][lm][radial]
  N *member_harmonics_adjoint, *member_slope_adjoint;    // [member][lm][edge], [member][edge]
  // message layers
  N *message_radial, *message_slope;    // [l1][edge][l2, message channel]
  N *backward;                          // [edge][component, message channel]; duals only
  N *message_density;                   // [lm][component, message channel]
  N *coupled;                           // [L M][path, message channel]
  N *message_adjoint;    // [mean or deviation][component, message channel]: of the centre
};

/* What one thread adds up. Arrays that are not wanted are null. Deviations are what members of a
   committee, all but the last, have beyond the mean: those of all members sum to zero. */
struct Sums {
  double energy;
  double virial[9];
  double *atomic_energies, *forces, *atomic_virials, *centroid_virials;
  double *deviation_energies;    // [deviation]
  double *deviation_forces;      // [atom][deviation][3]
  double *deviation_virials;     // [deviation][9]
  double *feature_distances;     // [atom]: of the centres
  double *distance_sums;         // [atom][2]: see engine_api.h
  double *const *descriptors;    // [atom] -> [descriptor]: of the centres
  int failed_atom;
  bool failed_energy;    // else a force
};

enum class Pass { Forward, Backward, Both };

/* One pass of one layer over the centres [first, last). A deep committee is several models whose energies,
   each divided by their number, add up; they have everything about the edges in common. */
template <typename N> struct Task {
  const ModelTables<Real<N>> *model;             // the first, or the one that is being computed
  const ModelTables<Real<N>> *const *members;    // all of them
  int n_members;
  const ModelTables<Real<N>> *committee;    // all of them side by side, see committee.h; or null
  int layer;
  const ElementTables<Real<N>> *weights;    // of this layer, for the element of the centre
  Pass pass;
  Neighborhood neighborhood;
  int first, last;
  const N *messages_in;     // [atom][message width]: of the layer before
  N *messages;              // [atom][message width]: rows of the centres, before they fade
  N *messages_out;          // the same, as they are sent
  N *adjoints_in;           // dE/d(messages_in), added to; only of this thread
  const N *adjoints_out;    // dE/d(messages_out)
  // [centre][member][hidden width]: what the layers add up; its adjoint after the last
  N *hidden;
  int message_stride, hidden_stride;    // values of an atom, of a centre
  N *descriptors;                       // [centre][descriptor]; null where there is one layer
  Workspace<N> *workspace;
  Sums *sums;

  // deviations of a shallow committee; null where their forces are not wanted
  int n_deviations;                // of either kind of committee
  std::size_t deviation_stride;    // values of all atoms
  N *deviation_adjoints_in;        // [deviation][atom][message width]
  const N *deviation_adjoints_out;
  N *deviation_hidden;    // [centre][deviation][hidden width]

  // duals only
  const double *energy_seeds;    // [atom]
  const Real<N> *tables;         // where the tables that are learned start ...
  Real<N> *gradients;            // ... and in the same order the derivatives with respect to them
};

struct Kernels {
  const char *name;
  int vector_bytes;    // lanes = vector_bytes / sizeof(T)
  int pack_bytes;
  void (*run_float)(const Task<float> &);
  void (*run_double)(const Task<double> &);
};

/* The same for duals, which only training needs. */
struct TrainingKernels {
  const char *name;
  void (*run_float)(const Task<Dual<float>> &);
  void (*run_double)(const Task<Dual<double>> &);
};

/* The best that this processor can run, or those that the variable MLPOT_ISA names. */
const Kernels &choose_kernels();
const TrainingKernels &choose_training_kernels();

}    // namespace mlpot

#endif
