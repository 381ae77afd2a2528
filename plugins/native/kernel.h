/* SPDX-License-Identifier: MIT

   The border between the engine and its kernels, which are compiled once for each instruction set.

   Only plain structures and pointers cross it: an inline function of the C++ library that was
   compiled for a newer processor must never be shared with the rest of the engine.

   Rows are padded so that every one starts at a vector: channels to `pack` values, everything else
   that vectors run over to `lanes`. Padding holds zeros. */

#ifndef MLPOT_KERNEL_H
#define MLPOT_KERNEL_H

#include <cstddef>

namespace mlpot {

constexpr int MAX_LAYERS = 3;
constexpr int MAX_DEGREES = 5;    // lmax + 1

/* One layer of the model, in the arithmetic T. All linear maps behind the contraction are folded:
   the hidden values of the last readout and the energy are linear in the contracted densities. */
template <typename T> struct LayerTables {
  const T *mix;      // first layer: [species][l][radial][channel]
  const T *mix_t;    // [species][l][channel][radial]

  const T *radial;         // later layers: [l1][radial][l2, message channel]
  const int *couplings;    // [n_couplings][2]: row of the result, row of the density
  const T *coupling_values;
  int n_couplings;
  int n_paths[MAX_DEGREES];
  const T *path_mix[MAX_DEGREES];      // [path, message channel][channel]
  const T *path_mix_t[MAX_DEGREES];    // [channel][path, message channel]

  const int *polynomial;                // see polynomial.h; factors are multiplied by n_channels
  const T *const *polynomial_values;    // [species] -> [pack][node][channel of the pack]
  int n_polynomial_values;              // nodes with a value
  int n_components;                     // of the contracted density: 1, or 4 with vectors

  const T *to_energy;      // [channel], eV
  const T *to_hidden;      // [channel][hidden]
  const T *to_hidden_t;    // [hidden][channel]

  const T *message[2];    // [l]: [channel][message channel]
  const T *message_t[2];
  const T *message_embedding;    // [species][message channel]
};

template <typename T> struct ModelTables {
  int n_layers, lmax, n_species, n_radial, envelope_power, n_message_degrees;
  // padded
  int radial_width, n_channels, message_channels, hidden_width;
  double cutoff;
  const double *reference_energies;    // [species], eV
  const double *charge, *radius;       // [species]: of the nucleus; A; null without core repulsion
  const T *hidden_to_energy;           // [hidden], eV
  LayerTables<T> layers[MAX_LAYERS];

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
  const double *const *offsets;    // [atom] -> [neighbour][3], A; may be null: no offsets
  int neighbor_mask;
};

/* Edges [first, last) to neighbours of one species, whole vectors of them. */
struct Group {
  int species, first, last;
};

/* Room for one centre at a time. */
template <typename T> struct Workspace {
  int capacity;    // edges
  Group *groups;
  double *x, *y, *z;    // twice the capacity, as index
  double *r, *repulsive_slope;
  int *index, *order;
  T *ux, *uy, *uz, *inverse, *ratio;
  T *harmonics;                          // [lm][edge]
  T *radial, *slope;                     // [radial][edge]
  T *radial_rows, *slope_rows;           // [edge][radial]
  T *harmonics_adjoint, *product;        // [lm][edge]
  T *slope_adjoint;                      // [edge]
  T *gx, *gy, *gz;                       // [edge]
  T *density;                            // [species group][lm][radial]
  T *mixed, *mixed_adjoint;              // [lm][channel]
  T *contracted, *contracted_adjoint;    // [component][channel]
  T *hidden, *hidden_slope;
  // message layers
  T *message_radial, *message_slope;    // [l1][edge][l2, message channel]
  T *weighted;                          // [l1][edge][component, message channel]
  T *backward;                          // [edge][component, message channel]
  T *message_density;                   // [lm][component, message channel]
  T *coupled;                           // [L M][path, message channel]
  T *transposed, *rows;                 // [component, message channel][lanes]; [edge][lanes]
};

/* What one thread adds up. Arrays that are not wanted are null. */
struct Sums {
  double energy;
  double virial[9];
  double *atomic_energies, *forces, *atomic_virials, *centroid_virials;
  int failed_atom;
  bool failed_energy;    // else a force
};

enum class Pass { Forward, Backward, Both };

/* One pass of one layer over the centres [first, last). */
template <typename T> struct Task {
  const ModelTables<T> *model;
  int layer;
  Pass pass;
  Neighborhood neighborhood;
  int first, last;
  const T *messages_in;     // [atom][message width]: of the layer before
  T *messages_out;          // [atom][message width]: rows of the centres
  T *adjoints_in;           // dE/d(messages_in), added to; only of this thread
  const T *adjoints_out;    // dE/d(messages_out)
  T *hidden;    // [centre][hidden width]: what the layers add up; its adjoint after the last
  Workspace<T> *workspace;
  Sums *sums;
};

struct Kernels {
  const char *name;
  int vector_bytes;    // lanes = vector_bytes / sizeof(T)
  int pack_bytes;
  void (*run_float)(const Task<float> &);
  void (*run_double)(const Task<double> &);
};

/* The best that this processor can run, or those that the variable MLPOT_INSTRUCTIONS names. */
const Kernels &choose_kernels();

}    // namespace mlpot

#endif
