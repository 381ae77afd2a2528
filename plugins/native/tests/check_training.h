/* SPDX-License-Identifier: MIT

   Checks of the gradients that training takes from the kernels, on a random neighbor list and with
   random tables: against differences of the energies and edge gradients. Throws std::logic_error. */

#ifndef MLPOT_CHECK_TRAINING_H
#define MLPOT_CHECK_TRAINING_H

void check_training(const char *path);

#endif
