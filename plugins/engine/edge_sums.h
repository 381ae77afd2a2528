/* SPDX-License-Identifier: MIT

   From what an engine computes for its numbered atoms and edges to the arrays of the host. */

#ifndef MLPOT_EDGE_SUMS_H
#define MLPOT_EDGE_SUMS_H

#include "edge_list.h"

namespace mlpot {

/* Adds the centres' energies and what follows from the gradient dE/dr_ij (n_edges x 3) to `result`.
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
