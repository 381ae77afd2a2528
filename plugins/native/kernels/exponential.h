/* SPDX-License-Identifier: MIT

   The exponential function of vectors; the C++ library has it for scalars only. */

#ifndef MLPOT_EXPONENTIAL_H
#define MLPOT_EXPONENTIAL_H

#include "kernels/simd.h"

#include <cstdint>
#include <limits>
#include <type_traits>

namespace mlpot {
namespace MLPOT_ISA {

  /* e^x = 2^n e^r with x = n log 2 + r, |r| <= log(2) / 2, accurate to one or two units in the last place. Overflow
     gives infinity; results below four times the smallest normal number are 0. */
  template <typename T> inline Vector<T> exponential(Vector<T> x)
  {
    using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
    using Limits = std::numeric_limits<T>;
    constexpr bool SINGLE = sizeof(T) == 4;
    constexpr int MANTISSA = Limits::digits - 1, TERMS = SINGLE ? 7 : 13;
    constexpr T LOG_2 = T(0.6931471805599453094);
    // log 2 in two parts: multiples of the first, which has few bits, are exact
    constexpr T FIRST = SINGLE ? T(0.693359375) : T(0.693145751953125);
    constexpr T SECOND = SINGLE ? T(-2.12194440054690583e-4) : T(1.42860682030941723e-6);
    // numbers from here on are integers: the sum rounds n, and its last bits are those of n
    constexpr T WHOLE = T(1.5) * static_cast<T>(Bits(1) << MANTISSA);

    const Vector<T> lowest = Vector<T>{} + (Limits::min_exponent - 1) * LOG_2;
    const Vector<T> highest = Vector<T>{} + (Limits::max_exponent + T(0.25)) * LOG_2;
    x = x < lowest ? lowest : x;    // NaN is kept
    x = x > highest ? highest : x;
    const Vector<T> shifted = x * (T(1) / LOG_2) + WHOLE, n = shifted - WHOLE;
    const Vector<T> r = (x - n * FIRST) - n * SECOND;
    Vector<T> series = Vector<T>{} + T(1);
    for (int k = TERMS; k > 0; k--) series = T(1) + series * r * T(1.0 / k);

    // 2^(n - 1) has an exponent where 2^n may have none
    typename Simd<Bits>::V power = reinterpret_cast<const typename Simd<Bits>::V &>(shifted);
    power = (power + Bits(Limits::max_exponent - 2)) << MANTISSA;
    return T(2) * (series * reinterpret_cast<const Vector<T> &>(power));
  }

  /* 1 / (1 + e^-z) */
  template <typename T> inline Vector<T> sigmoid(const Vector<T> &z)
  {
    return T(1) / (T(1) + exponential<T>(-z));
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
