/* SPDX-License-Identifier: MIT

   The bound on messages: with q = v.v / 4, each scalar and each vector v becomes v / (1 + q^2)^(1/4), which hardly
   changes a short one and is never longer than 2. The way back needs nothing but what was sent, s: with p = s.s / 4 the
   factor by which v was multiplied is f = (1 - p^2)^(1/4), and the adjoint g of s becomes f (g - p s (s.g) / 4). */

#ifndef MLPOT_MESSAGE_BOUND_H
#define MLPOT_MESSAGE_BOUND_H

#include "simd.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  template <typename T> inline Vector<T> root(const Vector<T> &a)
  {
    Vector<T> result;
    for (int k = 0; k < Simd<T>::LANES; k++) result[k] = std::sqrt(a[k]);
    return result;
  }
  template <typename T> inline DualVector<T> root(const DualVector<T> &a)
  {
    const Vector<T> value = root<T>(a.value);
    return {value, T(0.5) * a.tangent / value};
  }

  template <typename T> inline Vector<T> inverse_root(const Vector<T> &a)
  {
    return T(1) / root<T>(a);
  }
  template <typename T> inline DualVector<T> inverse_root(const DualVector<T> &a)
  {
    const Vector<T> value = inverse_root<T>(a.value);
    return {value, T(-0.5) * a.tangent * value / a.value};
  }

  /* At least what rounding leaves of 1 - 1. */
  template <typename T> inline void keep_positive(Vector<T> &a)
  {
    for (int k = 0; k < Simd<T>::LANES; k++)
      a[k] = std::max(a[k], std::numeric_limits<T>::epsilon());
  }
  template <typename T> inline void keep_positive(DualVector<T> &a)
  {
    keep_positive<T>(a.value);
  }

  /* a.b, in units of the square of the bound. */
  template <typename N>
  inline Vector<N> product_by_bound(int components, int channels, const N *a, const N *b)
  {
    Vector<N> total = {};
    for (int m = 0; m < components; m++) total += load(a + m * channels) * load(b + m * channels);
    return Real<N>(0.25) * total;
  }

  /* Messages of one degree, [component][channel], in their place. */
  template <typename N> inline void bound(int components, int channels, N *messages)
  {
    using T = Real<N>;
    for (int c = 0; c < channels; c += Simd<N>::LANES) {
      N *part = messages + c;
      const Vector<N> size = product_by_bound(components, channels, part, part);
      const Vector<N> factor = root<T>(inverse_root<T>(T(1) + size * size));
      for (int m = 0; m < components; m++)
        store<T>(part + m * channels, factor * load(part + m * channels));
    }
  }

  /* Adjoint of the messages before the bound from that of what was sent. */
  template <typename N>
  inline void bound_adjoint(int components, int channels, const N *sent, const N *adjoint, N *out)
  {
    using T = Real<N>;
    for (int c = 0; c < channels; c += Simd<N>::LANES) {
      const Vector<N> size = product_by_bound(components, channels, sent + c, sent + c);
      Vector<N> rest = T(1) - size * size;
      keep_positive<T>(rest);
      const Vector<N> factor = root<T>(root<T>(rest));
      const Vector<N> along = size * product_by_bound(components, channels, sent + c, adjoint + c);
      for (int m = 0; m < components; m++) {
        const int x = m * channels + c;
        store<T>(out + x, factor * (load(adjoint + x) - load(sent + x) * along));
      }
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
