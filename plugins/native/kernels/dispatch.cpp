/* SPDX-License-Identifier: MIT */

#include "kernels/kernel.h"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

namespace mlpot {

namespace baseline {
  extern const Kernels kernels;
}
#ifdef MLPOT_X86_64_LEVELS
namespace avx2 {
  extern const Kernels kernels;
}
namespace avx512 {
  extern const Kernels kernels;
}
#endif

namespace {

  /* Best first. */
  std::vector<const Kernels *> available_kernels()
  {
    std::vector<const Kernels *> kernels;
#ifdef MLPOT_X86_64_LEVELS
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
      kernels.push_back(&avx512::kernels);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      kernels.push_back(&avx2::kernels);
#endif
    kernels.push_back(&baseline::kernels);
    return kernels;
  }

}    // namespace

const Kernels &choose_kernels()
{
  const std::vector<const Kernels *> available = available_kernels();
  const char *requested = std::getenv("MLPOT_ISA");
  if (!requested || !*requested) return *available.front();
  for (const Kernels *kernels : available)
    if (std::string(kernels->name) == requested) return *kernels;
  throw std::runtime_error(std::string("MLPOT_ISA is ") + requested +
                           ", which this processor or this build of mlpot does not support");
}

}    // namespace mlpot
