/* SPDX-License-Identifier: MIT */

#include "kernel.h"

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

const Kernels &choose_kernels()
{
#ifdef MLPOT_X86_64_LEVELS
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    return avx512::kernels;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return avx2::kernels;
#endif
  return baseline::kernels;
}

}    // namespace mlpot
