/* SPDX-License-Identifier: MIT

   Chooses among kernels that differ in the width of their vectors alone. */

#include "kernel.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace vectors_of_16 {
  extern const Kernels kernels;
}
namespace vectors_of_32 {
  extern const Kernels kernels;
}
namespace vectors_of_64 {
  extern const Kernels kernels;
}

const Kernels &choose_kernels()
{
  const char *wanted = std::getenv("MLPOT_INSTRUCTIONS");
  for (const Kernels *kernels :
       {&vectors_of_16::kernels, &vectors_of_32::kernels, &vectors_of_64::kernels})
    if (!wanted || std::string(kernels->name) == wanted) return *kernels;
  throw std::runtime_error(
      "MLPOT_INSTRUCTIONS must be vectors_of_16, vectors_of_32 or vectors_of_64");
}

}    // namespace mlpot
