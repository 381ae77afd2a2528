/* SPDX-License-Identifier: MIT

   Checks of the search for neighbors, and of the engine on what it finds. Each throws std::logic_error. */

#ifndef MLPOT_CHECK_NEIGHBORS_H
#define MLPOT_CHECK_NEIGHBORS_H

#include "native_engine.h"

/* Random atoms in random cells: the search finds what a search through all images finds. */
void check_search();

/* What cannot be a neighbor list is refused. */
void check_refusals();

/* Energies do not depend on how far the list reaches, and are those of the repeated cell. */
void check_on_rows(mlpot::NativeEngine &engine);

#endif
