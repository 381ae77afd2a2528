/* SPDX-License-Identifier: MIT */

#ifndef MLPOT_MEMORY_REUSE_H
#define MLPOT_MEMORY_REUSE_H

namespace mlpot {

/* Lets the process keep the memory of large temporary arrays instead of giving it back to the
   system after each use, which costs libtorch on a cpu more time than its arithmetic (page faults).
   Settings that the user made through the environment (MALLOC_..._) are left alone. */
void reuse_large_memory();

}    // namespace mlpot

#endif
