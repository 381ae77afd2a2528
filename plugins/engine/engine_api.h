/* SPDX-License-Identifier: MIT

   The border between the simulation (a LAMMPS pair style) and whatever evaluates the model.

   Plain C: the host program, the pair style and an engine may come from different compilers and
   C++ libraries. An engine is a shared library that exports mlpot_engine_get_api().

   Units: eV, A. What the host reads is double precision; the precision of the arithmetic is the
   engine's affair. Edge vectors are r_ij = r_j - r_i with the centre i and its
   neighbour j; g_ij = dE/dr_ij is the only derivative: F_i = sum_j (g_ij - g_ji).

   Message passing: an engine only needs neighbours inside the cutoff, however many layers the
   model has. Between two layers it calls forward() so that every copy (ghost) of an atom gets the
   values of the atom itself, and on the way back reverse() so that what was computed for the
   copies is added to the atom. All ranks must make the same calls, also those without atoms, and ask for
   the same arrays; no rows are wider than the model's message_width.

   Committees: member arrays are asked for by the call, and cost nothing where they are not. What they are
   worth only shows when all ranks have been summed; then force_spread and energy_spread of this interface
   make error bars of them. */

#ifndef MLPOT_ENGINE_API_H
#define MLPOT_ENGINE_API_H

#include <stddef.h>

#define MLPOT_ENGINE_API_VERSION 4

#ifdef __cplusplus
extern "C" {
#endif

/* An engine with one model loaded. */
typedef struct mlpot_engine mlpot_engine;

/* Where an engine writes why it failed: a sentence for the user, always terminated. */
typedef struct {
  char *text;
  size_t size;
} mlpot_message;

typedef struct {
  const char *model_path;
  const char *precision; /* "mixed" (float32 with float64 sums), "double"; "": the model's */
  const char *device;    /* "cpu" or "cuda" */
  int device_index;      /* rank on this node: which device to take where there are several */
  int n_threads;         /* threads this rank may use on the cpu */
} mlpot_settings;

/* What the host must know of the model; the pointers live as long as the engine. */
typedef struct {
  const char *engine;    /* name and version of the engine */
  const char *precision; /* "mixed" or "double" */
  double cutoff;         /* A */
  int n_elements;
  const int *atomic_numbers; /* n_elements; a species is an index into this list */
  int n_layers;
  int message_width;     /* values per atom that travel between two layers; 0 for one layer */
  int n_members;         /* of a committee; 1: a single model */
  int has_distance;      /* the file knows how far an atom is from its training set */
  int calibrated;        /* force_spread gives error bars */
  int energy_calibrated; /* energy_spread gives an error bar */
} mlpot_description;

typedef struct {
  int n_atoms;             /* atoms and their copies (ghosts) */
  int n_centers;           /* atoms that this rank computes */
  const int *species;      /* n_atoms; -1: takes no part */
  const double *positions; /* n_atoms x 3, A */
  const int *centers;      /* n_centers */
  const int *n_neighbors;  /* indexed by atom */
  int *const *neighbors;   /* indexed by atom; may reach beyond the cutoff */
  int neighbor_mask;       /* AND this to an entry of `neighbors` to get the index of the atom */
} mlpot_atoms;

/* A row of values for each atom, in the engine's memory and precision: `n_blocks` blocks of `block_width`
   values that start `block_stride` values apart. The rest of a block is of no concern to the host. */
typedef struct {
  void *values;   /* n_atoms rows, one after the other */
  int value_size; /* bytes: 4 (float) or 8 (double) */
  int n_blocks, block_width, block_stride;
} mlpot_rows;

/* The rows are changed in place. */
typedef struct {
  void *context;
  void (*forward)(void *context, const mlpot_rows *rows);
  void (*reverse)(void *context, const mlpot_rows *rows);
} mlpot_communicator;

/* Sums of this rank. Arrays that are not wanted are NULL; the engine adds to arrays. */
typedef struct {
  double energy;            /* of the centers, eV */
  double virial[9];         /* -sum_ij r_ij (x) g_ij of the centers' edges, eV, row major */
  double *atomic_energies;  /* n_atoms, eV */
  double *forces;           /* n_atoms x 3, eV/A; copies carry their share */
  double *atomic_virials;   /* n_atoms x 9: each edge half to its centre, half to its neighbour */
  double *centroid_virials; /* n_atoms x 9: each edge to its neighbour (heat flux) */
  int failed_atom;          /* set with a failure that one atom shows, else -1 */

  /* What the members of a committee say; their mean is what stands above. */
  double *member_energies; /* n_members, eV: of the centers */
  double *member_forces;   /* n_members x n_atoms x 3, eV/A; copies carry their share */
  double *member_virials;  /* n_members x 9, eV: as `virial` */
  /* Distance of the centers from the training set, about 1 inside of it; infinite for an element that
     was not part of it. n_atoms */
  double *feature_distances;
  /* With d of each center, and w = 1 - (r / cutoff)^2 at its neighbours, 1 at itself: sums of w d^2 and of w.
     n_atoms x 2; copies carry their share */
  double *distance_sums;
} mlpot_result;

typedef struct {
  int api_version;
  /* NULL on failure. */
  mlpot_engine *(*create)(const mlpot_settings *, mlpot_description *, mlpot_message *);
  /* 0 on success; energies and forces, those of the members included, are finite then. */
  int (*compute)(mlpot_engine *, const mlpot_atoms *, const mlpot_communicator *, mlpot_result *,
                 mlpot_message *);
  double (*memory_usage)(const mlpot_engine *); /* bytes held between two calls */
  void (*destroy)(mlpot_engine *);

  /* From member forces that are complete (copies added to their atoms) to numbers of each atom in eV/A: the
     spread of a force component over the members, and sigma, its calibrated error bar of one standard
     deviation. Members start `stride` atoms apart; atoms of species -1 get zeros. `distance_sums`, complete as
     well, may be NULL where has_distance is 0, `spread` or `sigma` where they are not wanted, and sigma must be
     where `calibrated` is 0. 0 on success. */
  int (*force_spread)(const mlpot_engine *, int n_atoms, const int *species,
                      const double *member_forces, size_t stride, const double *distance_sums,
                      double *spread, double *sigma, mlpot_message *);
  /* The same of the total energy, eV, from member energies that were summed over all ranks; sigma as
     `energy_calibrated` says. */
  int (*energy_spread)(const mlpot_engine *, const double *member_energies, double *spread,
                       double *sigma, mlpot_message *);
} mlpot_engine_api;

typedef const mlpot_engine_api *(*mlpot_engine_get_api_function)(void);

#define MLPOT_ENGINE_ENTRY "mlpot_engine_get_api"

#ifdef __cplusplus
}
#endif

#endif
