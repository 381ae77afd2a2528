/* SPDX-License-Identifier: MIT

   Damping of long messages: with q = v.v / 9, each scalar and each vector v becomes f v with f = 1 / (1 + q^4), which
   is close to 1 for short ones and close to 0 where v is much longer than 3. The adjoint g of f v becomes
   f g - 8 q^3 f^2 v (v.g) / 9. */

#ifndef MLPOT_MESSAGE_DAMPING_H
#define MLPOT_MESSAGE_DAMPING_H

#include "kernels/simd.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* a.b / 9 */
  template <typename N>
  inline Vector<N> scaled_product(int components, int channels, const N *a, const N *b)
  {
    Vector<N> total = {};
    for (int m = 0; m < components; m++) total += load(a + m * channels) * load(b + m * channels);
    return Real<N>(1.0 / 9.0) * total;
  }

  /* Messages of one degree, [component][channel]. */
  template <typename N> inline void damp(int components, int channels, const N *messages, N *damped)
  {
    using T = Real<N>;
    for (int c = 0; c < channels; c += Simd<N>::LANES) {
      const Vector<N> q = scaled_product(components, channels, messages + c, messages + c);
      const Vector<N> square = q * q;
      const Vector<N> factor = reciprocal<T>(T(1) + square * square);
      for (int m = 0; m < components; m++)
        store<T>(damped + m * channels + c, factor * load(messages + m * channels + c));
    }
  }

  /* Adjoint of messages from that of damped messages. */
  template <typename N>
  inline void damp_adjoint(int components, int channels, const N *messages, const N *adjoint,
                           N *out)
  {
    using T = Real<N>;
    for (int c = 0; c < channels; c += Simd<N>::LANES) {
      const Vector<N> q = scaled_product(components, channels, messages + c, messages + c);
      const Vector<N> square = q * q;
      const Vector<N> factor = reciprocal<T>(T(1) + square * square);
      const Vector<N> derivative = (T(8) * (factor * q)) * (factor * square);
      const Vector<N> projection =
          derivative * scaled_product(components, channels, messages + c, adjoint + c);
      for (int m = 0; m < components; m++) {
        const int x = m * channels + c;
        store<T>(out + x, factor * load(adjoint + x) - projection * load(messages + x));
      }
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
