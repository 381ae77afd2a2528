/* SPDX-License-Identifier: MIT

   C interface between a host (the pair style of LAMMPS) and an engine that evaluates the model.

   Plain C: host and engine may come from different compilers and C++ libraries. An engine is a
   shared library that exports mlpot_engine_get_api().

   Units: eV, A. Arrays of the host are double precision; an engine chooses the precision of its
   arithmetic. Edge vectors are r_ij = r_j - r_i with the center i and its neighbor j; with
   g_ij = dE/dr_ij the forces are F_i = sum_j (g_ij - g_ji).

   Message passing: an engine needs the neighbors inside the cutoff, for any number of layers.
   Between two layers it calls forward(), which copies the values of each atom to its ghosts; in the
   backward pass it calls reverse(), which adds the values of the ghosts to their atoms. All ranks
   make the same calls, also those without atoms, and request the same arrays. No row is wider than
   message_width. No exception crosses this interface in either direction: a host that cannot
   communicate returns, and discards the result.

   Memory: the arrays of a call may lie in the memory of the host or of the engine's device, if the
   engine accepts it; the structures themselves, `energy`, `virial` and the results that do not
   have a row for each atom are always the host's.

   Committees: results of the members are computed where their arrays are given. Summed over all
   ranks, they become standard deviations and error bars by force_uncertainty and
   energy_uncertainty. */

#ifndef MLPOT_ENGINE_API_H
#define MLPOT_ENGINE_API_H

#include <stddef.h>

#define MLPOT_ENGINE_API_VERSION 6

#ifdef __cplusplus
extern "C" {
#endif

/* An engine with one model loaded. */
typedef struct mlpot_engine mlpot_engine;

/* Buffer for the error message of a failed call: a sentence for the user, terminated by 0. */
typedef struct {
  char *text;
  size_t size;
} mlpot_message;

typedef struct {
  const char *model_path; /* for messages */
  const char *precision;  /* "mixed" (float32 with float64 sums), "double"; "": the model's */
  const char *device;     /* "cpu" or "cuda" */
  int device_index;       /* rank on this node: which of several devices to use */
  int n_threads;          /* threads of this rank on the cpu */
  const char *model;      /* content of the model file: the host reads it once for all ranks */
  size_t model_size;      /* bytes */
} mlpot_settings;

/* Where the arrays of a structure lie. */
typedef enum { MLPOT_HOST_MEMORY = 0, MLPOT_DEVICE_MEMORY = 1 } mlpot_memory;

/* The model as the host needs it; the pointers are valid as long as the engine. */
typedef struct {
  const char *engine;    /* name and version of the engine */
  const char *precision; /* "mixed" or "double" */
  double cutoff;         /* A */
  int n_elements;
  const int *atomic_numbers; /* n_elements; a species is an index into this list */
  int n_layers;
  int message_width;     /* values per atom that are communicated between two layers, or 0 */
  int n_members;         /* of a committee; 1: a single model */
  int has_distance;      /* there is a feature distance to the training set */
  int calibrated;        /* force_uncertainty gives error bars */
  int energy_calibrated; /* energy_uncertainty gives an error bar */
  int n_threads;         /* fewer than requested where the system refuses to create them */
  int accepts_device_memory;
} mlpot_description;

/* Neighbors of the atoms; they may reach beyond the cutoff. Entry k of atom i is rows[i][k] or, where
   `rows` is NULL, strided[i * atom_stride + k * entry_stride]. */
typedef struct {
  const int *counts; /* indexed by atom */
  int *const *rows;
  const int *strided;
  ptrdiff_t atom_stride, entry_stride;
  int mask; /* AND this to an entry to get the index of the atom */
  /* Changes whenever the list or the centers do, so that an engine keeps what it makes of them;
     0: not known. */
  unsigned long long version;
} mlpot_neighbors;

typedef struct {
  int n_atoms;             /* atoms and ghosts */
  int n_centers;           /* atoms whose energies this rank computes */
  const int *species;      /* n_atoms; -1: not part of the model */
  const double *positions; /* n_atoms x 3, A */
  const int *centers;      /* n_centers */
  mlpot_neighbors neighbors;
  mlpot_memory memory;
} mlpot_atoms;

/* A row of values for each atom, in the engine's precision: `n_blocks` blocks of
   `block_width` values that start `block_stride` values apart. The host ignores the rest of a
   block. */
typedef struct {
  void *values;   /* n_atoms rows, one after the other */
  int value_size; /* bytes: 4 (float) or 8 (double) */
  int n_blocks, block_width, block_stride;
  mlpot_memory memory;
} mlpot_rows;

/* Communication of the host; rows are changed in place. */
typedef struct {
  void *context;
  void (*forward)(void *context, const mlpot_rows *rows);
  void (*reverse)(void *context, const mlpot_rows *rows);
} mlpot_communicator;

/* Sums of this rank. The engine adds to the arrays that are given; those that are NULL are not
   computed. */
typedef struct {
  double energy;            /* of the centers, eV */
  double virial[9];         /* -sum_ij r_ij (x) g_ij of the centers' edges, eV, row major */
  double *atomic_energies;  /* n_atoms, eV */
  double *forces;           /* n_atoms x 3, eV/A; ghosts hold their share */
  double *atomic_virials;   /* n_atoms x 9, eV: half of each edge to center and neighbor */
  double *centroid_virials; /* n_atoms x 9, eV: each edge to its neighbor */
  int failed_atom;          /* index of the atom that a failure concerns, else -1 */

  /* Results of the members of a committee; the values above are those of their mean. */
  double *member_energies; /* n_members, eV: of the centers */
  double *member_forces;   /* n_members x n_atoms x 3, eV/A; ghosts hold their share */
  double *member_virials;  /* n_members x 9, eV: as `virial` */
  /* n_atoms: feature distance d of the centers to the training set, about 1 inside of it; infinite
     for elements that are not part of it */
  double *feature_distances;
  /* n_atoms x 2: sums of w d^2 and of w over an atom (w = 1) and its neighbors
     (w = 1 - (r / cutoff)^2); ghosts hold their share */
  double *distance_sums;

  mlpot_memory memory; /* of the arrays with a row for each atom */
} mlpot_result;

typedef struct {
  int api_version;
  /* NULL on failure. */
  mlpot_engine *(*create)(const mlpot_settings *, mlpot_description *, mlpot_message *);
  /* 0 on success; energies and forces, also of the members, are then finite. */
  int (*compute)(mlpot_engine *, const mlpot_atoms *, const mlpot_communicator *, mlpot_result *,
                 mlpot_message *);
  double (*memory_usage)(const mlpot_engine *); /* bytes held between two calls */
  void (*destroy)(mlpot_engine *);

  /* Uncertainty of a force component of each atom, eV/A: `ensemble_std` is the standard deviation
     over the members, `error_bars` are calibrated, one standard
     deviation. Member forces and
     distance sums are complete: ghosts are added to their atoms. Members start `stride` atoms
     apart; atoms of species -1 get zeros. `distance_sums` may be NULL where has_distance is 0,
     either result may be NULL, and `error_bars` must be where `calibrated` is 0. 0 on success. */
  int (*force_uncertainty)(const mlpot_engine *, int n_atoms, const int *species,
                           const double *member_forces, size_t stride, const double *distance_sums,
                           double *ensemble_std, double *error_bars, mlpot_message *);
  /* The same for the total energy, eV, from member energies summed over all ranks; `error_bars` must be
     NULL where `energy_calibrated` is 0. */
  int (*energy_uncertainty)(const mlpot_engine *, const double *member_energies,
                            double *ensemble_std, double *error_bars, mlpot_message *);
} mlpot_engine_api;

typedef const mlpot_engine_api *(*mlpot_engine_get_api_function)(void);

#define MLPOT_ENGINE_ENTRY "mlpot_engine_get_api"

#ifdef __cplusplus
}
#endif

#endif
