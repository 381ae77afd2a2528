/* SPDX-License-Identifier: MIT

   Sums over the edges of an engine into the arrays of the host. */

#ifndef MLPOT_EDGE_SUMS_H
#define MLPOT_EDGE_SUMS_H

#include "edge_list.h"

namespace mlpot {

/* Adds the centers' energies, and the forces and virials of the gradient dE/dr_ij (n_edges x 3), to `result`.
   Throws std::runtime_error and sets result.failed_atom when a value is not finite. */
void add_to_result(const EdgeList &edges, const double *energies, const double *gradient,
                   mlpot_result &result);

/* Copies the first n_rows rows between the numbering of the engine and that of the host. */
void rows_to_host(const EdgeList &edges, std::int64_t n_rows, int width, const double *rows,
                  double *host);
void rows_from_host(const EdgeList &edges, std::int64_t n_rows, int width, const double *host,
                    double *rows);

}    // namespace mlpot

#endif
