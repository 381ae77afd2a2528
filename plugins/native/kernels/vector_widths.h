/* SPDX-License-Identifier: MIT

   What the padding of arrays depends on. Not for the kernels, which share no functions. */

#ifndef MLPOT_VECTOR_WIDTHS_H
#define MLPOT_VECTOR_WIDTHS_H

#include "kernels/kernel.h"

namespace mlpot {

/* Values of a vector, and of a pack of several. */
struct VectorWidths {
  int lanes, pack;
};

/* In the arithmetic T. */
template <typename T> VectorWidths vector_widths(const Kernels &kernels)
{
  const int size = sizeof(T);
  return {kernels.vector_bytes / size, kernels.pack_bytes / size};
}

}    // namespace mlpot

#endif
