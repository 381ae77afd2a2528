/* SPDX-License-Identifier: MIT

   Exchange of lanes between the vectors of a block: sums over the lanes of many vectors at once, and transposes. */

#ifndef MLPOT_LANES_H
#define MLPOT_LANES_H

#include "kernels/simd.h"

#include <type_traits>
#include <utility>

namespace mlpot {
namespace MLPOT_ISA {

  template <typename T, int... LANE>
  inline Vector<T> shuffle(const Vector<T> &a, const Vector<T> &b,
                           std::integer_sequence<int, LANE...>)
  {
#if defined(__clang__)
    return __builtin_shufflevector(a, b, LANE...);
#else
    typedef std::conditional_t<sizeof(T) == 4, int, long long> Index;
    typedef Index Indices __attribute__((vector_size(MLPOT_VECTOR_BYTES)));
    return __builtin_shuffle(a, b, Indices{LANE...});
#endif
  }

  template <typename T, int SIZE, int ODD, int... LANE>
  inline Vector<T> blocks(const Vector<T> &a, const Vector<T> &b,
                          std::integer_sequence<int, LANE...>)
  {
    constexpr int LANES = Simd<T>::LANES;
    return shuffle<T>(a, b,
                      std::integer_sequence<int,
                                            LANE % SIZE + LANE / (2 * SIZE) * 2 * SIZE +
                                                ODD * SIZE + (LANE / SIZE % 2) * LANES...>());
  }

  /* With a and b as blocks of SIZE lanes, a0 a1 a2 a3 ... and b0 b1 b2 b3 ...: a0 b0 a2 b2 ... or a1 b1 a3 b3 ... */
  template <typename T, int SIZE, int ODD>
  inline Vector<T> blocks(const Vector<T> &a, const Vector<T> &b)
  {
    return blocks<T, SIZE, ODD>(a, b, std::make_integer_sequence<int, Simd<T>::LANES>());
  }

  /* Lane k of the result is the sum of the lanes of v[k]. */
  template <typename T, int COUNT, int SIZE = 1> inline Vector<T> sums_of(const Vector<T> *v)
  {
    static_assert(COUNT <= Simd<T>::LANES / SIZE);
    if constexpr (SIZE == Simd<T>::LANES) {
      return v[0];
    } else {
      constexpr int HALF = (COUNT + 1) / 2;
      Vector<T> pairs[HALF];
      MLPOT_UNROLL
      for (int k = 0; k < HALF; k++) {
        const Vector<T> a = v[2 * k], b = 2 * k + 1 < COUNT ? v[2 * k + 1] : Vector<T>{};
        pairs[k] = blocks<T, SIZE, 0>(a, b) + blocks<T, SIZE, 1>(a, b);
      }
      return sums_of<T, HALF, 2 * SIZE>(pairs);
    }
  }

  /* sums[k] is the sum of the lanes of v[k]; whole vectors are written. */
  template <typename T, int COUNT> inline void sum_lanes(const Vector<T> *v, T *sums)
  {
    constexpr int NOW = COUNT < Simd<T>::LANES ? COUNT : Simd<T>::LANES;
    store<T>(sums, sums_of<T, NOW>(v));
    if constexpr (COUNT > NOW) sum_lanes<T, COUNT - NOW>(v + NOW, sums + NOW);
  }

  /* Lane j of v[k] becomes lane k of v[j], for as many vectors as lanes. */
  template <typename T, int SIZE = 1> inline void transpose(Vector<T> *v)
  {
    if constexpr (SIZE < Simd<T>::LANES) {
      MLPOT_UNROLL
      for (int k = 0; k < Simd<T>::LANES / 2; k++) {
        const int first = k % SIZE + k / SIZE * 2 * SIZE;
        const Vector<T> a = v[first], b = v[first + SIZE];
        v[first] = blocks<T, SIZE, 0>(a, b);
        v[first + SIZE] = blocks<T, SIZE, 1>(a, b);
      }
      transpose<T, 2 * SIZE>(v);
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
