/* SPDX-License-Identifier: MIT

   The order in which a thread computes its centers: blocks of them by species, as the weights of one element fill the
   cache. Blocks, as neighbors and their messages lie near each other in memory. */

#ifndef MLPOT_CENTER_ORDER_H
#define MLPOT_CENTER_ORDER_H

#include "engine_api.h"

#include <vector>

namespace mlpot {

/* Indices of the centers [first, last); empty where their own order does as well. */
void find_order(const mlpot_atoms &atoms, int first, int last, int n_species,
                std::vector<int> &order);

}    // namespace mlpot

#endif
