/* SPDX-License-Identifier: MIT

   Vectors of real numbers and of duals for the instruction set of this translation unit, and packs of
   several vectors, which hide latencies and share index loads. */

#ifndef MLPOT_SIMD_H
#define MLPOT_SIMD_H

#include "kernels/kernel.h"

#include <cstddef>
#include <cstring>

#define MLPOT_STRING_OF(name) #name
#define MLPOT_STRING(name) MLPOT_STRING_OF(name)

/* Vectors per pack, and per wide pack where registers suffice. */
#if defined(MLPOT_VECTOR_BYTES)    // tests of the layout with any width
#elif defined(__AVX512F__)
#define MLPOT_VECTOR_BYTES 64
#define MLPOT_PACK_VECTORS 2
#define MLPOT_WIDE_PACK_VECTORS 4
#elif defined(__AVX__)
#define MLPOT_VECTOR_BYTES 32
#define MLPOT_PACK_VECTORS 4
#else
#define MLPOT_VECTOR_BYTES 16
#define MLPOT_PACK_VECTORS 4
#endif
#if defined(__AVX512F__)
#define MLPOT_REGISTERS 32
#else
#define MLPOT_REGISTERS 16
#endif
#if !defined(MLPOT_WIDE_PACK_VECTORS)
#define MLPOT_WIDE_PACK_VECTORS MLPOT_PACK_VECTORS
#endif

/* Unrolls short loops over arrays of vectors; otherwise compilers keep these in memory. */
#if defined(__clang__)
#define MLPOT_UNROLL _Pragma("clang loop unroll(full)")
#else
#define MLPOT_UNROLL _Pragma("GCC unroll 32")
#endif

namespace mlpot {
namespace MLPOT_ISA {

  template <typename T> struct DualVector;

  template <typename N> struct Simd {
    typedef N V __attribute__((vector_size(MLPOT_VECTOR_BYTES), may_alias));
    static constexpr int LANES = MLPOT_VECTOR_BYTES / sizeof(N);
    static constexpr int WIDE_PACK = MLPOT_WIDE_PACK_VECTORS;
    static constexpr bool DUAL = false;
  };
  template <typename T> struct Simd<Dual<T>> {
    using V = DualVector<T>;
    static constexpr int LANES = Simd<T>::LANES;
    static constexpr int WIDE_PACK = MLPOT_PACK_VECTORS;
    static constexpr bool DUAL = true;
  };
  template <typename N> using Vector = typename Simd<N>::V;

  /* Half a vector, for short rows. */
  template <typename T> struct Half {
    typedef T V __attribute__((vector_size(MLPOT_VECTOR_BYTES / 2), may_alias));
  };
  template <typename T> using HalfVector = typename Half<T>::V;

  template <typename T> struct DualVector {
    using V = Vector<T>;
    V value, tangent;

    DualVector &operator+=(const DualVector &b) { return *this = *this + b; }
    DualVector &operator*=(const DualVector &b) { return *this = *this * b; }
    friend DualVector operator+(const DualVector &a, const DualVector &b)
    {
      return {a.value + b.value, a.tangent + b.tangent};
    }
    friend DualVector operator-(const DualVector &a, const DualVector &b)
    {
      return {a.value - b.value, a.tangent - b.tangent};
    }
    friend DualVector operator*(const DualVector &a, const DualVector &b)
    {
      return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
    }
    friend DualVector operator*(const V &a, const DualVector &b)
    {
      return {a * b.value, a * b.tangent};
    }
    friend DualVector operator*(T a, const DualVector &b) { return {a * b.value, a * b.tangent}; }
    friend DualVector operator*(const DualVector &a, T b) { return b * a; }
    friend DualVector operator+(const DualVector &a, T b) { return {a.value + b, a.tangent}; }
    friend DualVector operator+(T a, const DualVector &b) { return b + a; }
    friend DualVector operator-(const DualVector &a, T b) { return {a.value - b, a.tangent}; }
    friend DualVector operator-(T a, const DualVector &b) { return {a - b.value, -b.tangent}; }
  };

  template <typename T> inline Dual<T> operator+(Dual<T> a, Dual<T> b)
  {
    return {a.value + b.value, a.tangent + b.tangent};
  }
  template <typename T> inline Dual<T> operator*(Dual<T> a, Dual<T> b)
  {
    return {a.value * b.value, a.value * b.tangent + a.tangent * b.value};
  }
  template <typename T> inline Dual<T> operator*(T a, Dual<T> b)
  {
    return {a * b.value, a * b.tangent};
  }
  template <typename T> inline Dual<T> operator+(T a, Dual<T> b)
  {
    return {a + b.value, b.tangent};
  }

  template <typename T> inline Vector<T> reciprocal(const Vector<T> &a)
  {
    return T(1) / a;
  }
  template <typename T> inline DualVector<T> reciprocal(const DualVector<T> &a)
  {
    const Vector<T> value = T(1) / a.value;
    return {value, -value * value * a.tangent};
  }

  /* Part of a product a b that is linear in the tangents. */
  template <typename T>
  inline Vector<T> tangent_of_product(const DualVector<T> &a, const DualVector<T> &b)
  {
    return a.value * b.tangent + a.tangent * b.value;
  }

  template <typename T> inline Vector<T> load(const T *p)
  {
    return *reinterpret_cast<const Vector<T> *>(p);
  }
  template <typename T> inline DualVector<T> load(const Dual<T> *p)
  {
    const T *values = reinterpret_cast<const T *>(p);
    return {load(values), load(values + Simd<T>::LANES)};
  }
  template <typename T> inline void store(T *p, Vector<T> v)
  {
    *reinterpret_cast<Vector<T> *>(p) = v;
  }

  /* At any place of an array of real numbers. */
  template <typename T> struct Anywhere {
    typedef T V __attribute__((vector_size(MLPOT_VECTOR_BYTES), may_alias, aligned(sizeof(T))));
  };
  template <typename T> inline Vector<T> load_anywhere(const T *p)
  {
    return *reinterpret_cast<const typename Anywhere<T>::V *>(p);
  }
  template <typename T> inline void store_anywhere(T *p, Vector<T> v)
  {
    *reinterpret_cast<typename Anywhere<T>::V *>(p) = v;
  }

  /* A vector of doubles from as many numbers. */
  inline Vector<double> load_doubles(const double *p)
  {
    return load(p);
  }
  inline Vector<double> load_doubles(const float *p)
  {
    return __builtin_convertvector(*reinterpret_cast<const HalfVector<float> *>(p), Vector<double>);
  }
  template <typename T> inline void store(Dual<T> *p, DualVector<T> v)
  {
    T *values = reinterpret_cast<T *>(p);
    store<T>(values, v.value);
    store<T>(values + Simd<T>::LANES, v.tangent);
  }

  /* One number of an array; the array starts at a vector. */
  template <typename T> inline T at(const T *array, std::ptrdiff_t k)
  {
    return array[k];
  }
  template <typename T> inline void put(T *array, std::ptrdiff_t k, T number)
  {
    array[k] = number;
  }
  template <typename T> inline std::size_t place_of_dual(std::ptrdiff_t k)
  {
    constexpr std::size_t LANES = Simd<T>::LANES;
    return static_cast<std::size_t>(k) / LANES * 2 * LANES + static_cast<std::size_t>(k) % LANES;
  }
  template <typename T> inline Dual<T> at(const Dual<T> *array, std::ptrdiff_t k)
  {
    const T *p = reinterpret_cast<const T *>(array) + place_of_dual<T>(k);
    return {p[0], p[Simd<T>::LANES]};
  }
  template <typename T> inline void put(Dual<T> *array, std::ptrdiff_t k, Dual<T> number)
  {
    T *p = reinterpret_cast<T *>(array) + place_of_dual<T>(k);
    p[0] = number.value;
    p[Simd<T>::LANES] = number.tangent;
  }

  /* Pairwise by halves, to shorten the chain of dependent additions. */
  template <typename T, int BYTES = MLPOT_VECTOR_BYTES, typename V> inline T sum(const V &v)
  {
    if constexpr (BYTES == sizeof(T)) {
      return v[0];
    } else {
      typedef T Part __attribute__((vector_size(BYTES / 2)));
      Part halves[2];
      std::memcpy(halves, &v, sizeof(halves));
      const Part added = halves[0] + halves[1];
      return sum<T, BYTES / 2>(added);
    }
  }

  template <typename N, int VECTORS> struct Pack {
    Vector<N> v[VECTORS];

    static Pack zero()
    {
      Pack a;
      for (int k = 0; k < VECTORS; k++) a.v[k] = Vector<N>{};
      return a;
    }
    static Pack at(const N *p)
    {
      Pack a;
      for (int k = 0; k < VECTORS; k++) a.v[k] = load(p + k * Simd<N>::LANES);
      return a;
    }
    void to(N *p) const
    {
      for (int k = 0; k < VECTORS; k++) store<Real<N>>(p + k * Simd<N>::LANES, v[k]);
    }
    /* += a b, where a may be real */
    template <typename A> void add(const Pack<A, VECTORS> &a, const Pack &b)
    {
      for (int k = 0; k < VECTORS; k++) v[k] += a.v[k] * b.v[k];
    }
  };

  template <typename A, typename N, int VECTORS>
  inline Pack<N, VECTORS> operator*(const Pack<A, VECTORS> &a, const Pack<N, VECTORS> &b)
  {
    Pack<N, VECTORS> c;
    for (int k = 0; k < VECTORS; k++) c.v[k] = a.v[k] * b.v[k];
    return c;
  }

  /* p += a b, where a may be real */
  template <typename N, typename A, int VECTORS>
  inline void add_to(N *p, const Pack<A, VECTORS> &a, const Pack<N, VECTORS> &b)
  {
    for (int k = 0; k < VECTORS; k++)
      store<Real<N>>(p + k * Simd<N>::LANES, load(p + k * Simd<N>::LANES) + a.v[k] * b.v[k]);
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
