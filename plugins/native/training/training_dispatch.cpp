/* SPDX-License-Identifier: MIT */

#include "kernels/kernel.h"

#include <stdexcept>
#include <string>

namespace mlpot {

namespace baseline {
  extern const TrainingKernels training_kernels;
}
#ifdef MLPOT_X86_64_LEVELS
namespace avx2 {
  extern const TrainingKernels training_kernels;
}
namespace avx512 {
  extern const TrainingKernels training_kernels;
}
#endif

const TrainingKernels &choose_training_kernels()
{
  const std::string chosen = choose_kernels().name;
#ifdef MLPOT_X86_64_LEVELS
  for (const TrainingKernels *kernels : {&avx512::training_kernels, &avx2::training_kernels})
    if (kernels->name == chosen) return *kernels;
#endif
  if (baseline::training_kernels.name == chosen) return baseline::training_kernels;
  throw std::runtime_error("there are no training kernels for " + chosen);
}

}    // namespace mlpot
