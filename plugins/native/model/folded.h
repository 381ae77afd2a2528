/* SPDX-License-Identifier: MIT

   The parameters of a model, folded into the plain arrays that the kernels need: consecutive linear maps
   become one, which includes constant factors. Behind the product basis B_t of layer t everything up
   to the last readout is linear, with weights of the element of the atom:

       h_t = B_t update_t + h_(t-1) skip_t,    E = scale (sum_t h_t . readout_t + w2 . silu(h_T W1))

   so each layer adds B_t . to_energy_t to the energy and B_t to_hidden_t to the hidden values. In order:

       for each layer
         the first: mix                  [species][species of the neighbor][l][radial][channel]
           or, where elements share weights,
                    radial_mix           [species of the neighbor][radial][function]
                    function_mix         [species][l][function][channel]
         others:    radial               [radial][l1][l2][message channel], of all species
                    path_mix, for each L [species][path][message channel][channel]
         to_energy                       [species][channel]
         to_hidden                       [species][channel][hidden]
         but the last: message           [species][l][channel][message channel]
                       message_embedding [species][message channel]
       hidden_to_energy                  [hidden]
       for each layer: values of the polynomial, [species][node][channel]; see polynomial.h

   mlpot/training/folding.py computes the same arrays as differentiable tensors; tests/training/test_native.py
   compares results of both. */

#ifndef MLPOT_FOLDED_H
#define MLPOT_FOLDED_H

#include "model/parameters.h"

#include <vector>

namespace mlpot {

/* All arrays but the polynomials. */
std::vector<Numbers> fold(const Parameters &parameters);

}    // namespace mlpot

#endif
