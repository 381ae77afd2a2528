/* SPDX-License-Identifier: MIT */

#ifndef MLPOT_MEMORY_REUSE_H
#define MLPOT_MEMORY_REUSE_H

namespace mlpot {

/* Keeps the memory of large temporary arrays in the process instead of returning it to the system
   after each use: the page faults cost libtorch on a cpu more time than its arithmetic. Settings in
   the environment (MALLOC_..._) have priority. */
void reuse_large_memory();

}    // namespace mlpot

#endif
