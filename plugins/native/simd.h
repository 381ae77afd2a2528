/* SPDX-License-Identifier: MIT

   Vectors of the instruction set that this translation unit is compiled for, and packs of several
   vectors, which hide latencies and share the reading of indices. */

#ifndef MLPOT_SIMD_H
#define MLPOT_SIMD_H

#if defined(MLPOT_VECTOR_BYTES)    // tests of the layout with any width
#elif defined(__AVX512F__)
#define MLPOT_VECTOR_BYTES 64
#define MLPOT_PACK_VECTORS 2
#elif defined(__AVX__)
#define MLPOT_VECTOR_BYTES 32
#define MLPOT_PACK_VECTORS 4
#else
#define MLPOT_VECTOR_BYTES 16
#define MLPOT_PACK_VECTORS 4
#endif

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  template <typename T> struct Simd {
    typedef T V __attribute__((vector_size(MLPOT_VECTOR_BYTES), may_alias));
    static constexpr int LANES = MLPOT_VECTOR_BYTES / sizeof(T);
    static constexpr int PACK = MLPOT_PACK_VECTORS * LANES;
  };
  template <typename T> using Vector = typename Simd<T>::V;

  template <typename T> inline Vector<T> load(const T *p)
  {
    return *reinterpret_cast<const Vector<T> *>(p);
  }
  template <typename T> inline void store(T *p, Vector<T> v)
  {
    *reinterpret_cast<Vector<T> *>(p) = v;
  }
  template <typename T> inline T sum(Vector<T> v)
  {
    T total = 0;
    for (int k = 0; k < Simd<T>::LANES; k++) total += v[k];
    return total;
  }

  template <typename T> struct Pack {
    Vector<T> v[MLPOT_PACK_VECTORS];

    static Pack zero()
    {
      Pack a;
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) a.v[k] = Vector<T>{};
      return a;
    }
    static Pack at(const T *p)
    {
      Pack a;
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) a.v[k] = load(p + k * Simd<T>::LANES);
      return a;
    }
    void to(T *p) const
    {
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) store<T>(p + k * Simd<T>::LANES, v[k]);
    }
    void add(const Pack &a, const Pack &b)
    {
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) v[k] += a.v[k] * b.v[k];
    }
    friend Pack operator*(const Pack &a, const Pack &b)
    {
      Pack c;
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) c.v[k] = a.v[k] * b.v[k];
      return c;
    }
  };

  /* p[0..PACK) += a b */
  template <typename T> inline void add_to(T *p, const Pack<T> &a, const Pack<T> &b)
  {
    for (int k = 0; k < MLPOT_PACK_VECTORS; k++)
      store<T>(p + k * Simd<T>::LANES, load(p + k * Simd<T>::LANES) + a.v[k] * b.v[k]);
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
