/* SPDX-License-Identifier: MIT

   In crystals of high symmetry many sums are rounding noise around zero, and products of several of
   them are subnormal. Some processors take a hundred cycles for each subnormal number; flushed to zero
   they cost nothing and do not change results. */

#ifndef MLPOT_SUBNORMALS_H
#define MLPOT_SUBNORMALS_H

#ifdef __SSE__
#include <xmmintrin.h>
#endif

namespace mlpot {
namespace MLPOT_ISA {

  /* During its lifetime, this thread treats subnormal numbers as zero. */
  class FlushSubnormals {
   public:
    FlushSubnormals(const FlushSubnormals &) = delete;
    FlushSubnormals &operator=(const FlushSubnormals &) = delete;
#ifdef __SSE__
    FlushSubnormals() : before(_mm_getcsr())
    {
      _mm_setcsr(before | FLUSH_RESULTS | FLUSH_ARGUMENTS);
    }
    ~FlushSubnormals() { _mm_setcsr(before); }

   private:
    static constexpr unsigned FLUSH_RESULTS = 0x8000, FLUSH_ARGUMENTS = 0x0040;
    const unsigned before;
#else
    FlushSubnormals() {}
    ~FlushSubnormals() {}
#endif
  };

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
