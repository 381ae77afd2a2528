/* SPDX-License-Identifier: MIT

   Chooses among kernels that differ only in the width of their vectors. */

#include "kernels/kernel.h"

#include <cstdlib>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace vectors_of_16 {
  extern const Kernels kernels;
  extern const TrainingKernels training_kernels;
}    // namespace vectors_of_16
namespace vectors_of_32 {
  extern const Kernels kernels;
  extern const TrainingKernels training_kernels;
}    // namespace vectors_of_32
namespace vectors_of_64 {
  extern const Kernels kernels;
  extern const TrainingKernels training_kernels;
}    // namespace vectors_of_64

namespace {

  template <typename Any> const Any &choose(std::initializer_list<const Any *> available)
  {
    const char *requested = std::getenv("MLPOT_ISA");
    for (const Any *kernels : available)
      if (!requested || std::string(kernels->name) == requested) return *kernels;
    throw std::runtime_error("MLPOT_ISA must be vectors_of_16, _32 or _64");
  }

}    // namespace

const Kernels &choose_kernels()
{
  return choose({&vectors_of_16::kernels, &vectors_of_32::kernels, &vectors_of_64::kernels});
}

const TrainingKernels &choose_training_kernels()
{
  return choose({&vectors_of_16::training_kernels, &vectors_of_32::training_kernels,
                 &vectors_of_64::training_kernels});
}

}    // namespace mlpot
