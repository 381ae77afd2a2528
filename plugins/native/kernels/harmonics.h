/* SPDX-License-Identifier: MIT

   Real spherical harmonics and their adjoint, for vectors of unit vectors: e3nn's order (y is the polar
   axis) and component normalization.

   The harmonic of degree l and order m is a polynomial: a multiple of the m-th derivative of the Legendre
   polynomial of degree l in y, times the real part of (z + i x)^m; for -m it is the imaginary part. The
   extension away from the unit sphere is arbitrary: the caller keeps only the tangential part of the gradient. */

#ifndef MLPOT_HARMONICS_H
#define MLPOT_HARMONICS_H

#include "kernels/simd.h"

namespace mlpot {
namespace MLPOT_ISA {

  /* Newton's method: std::sqrt is not constexpr. */
  constexpr double square_root(double x)
  {
    double root = x;
    for (int k = 0; k < 64; k++) root = 0.5 * (root + x / root);
    return root;
  }

  template <int LMAX> struct HarmonicFactors {
    double first[LMAX + 1] = {};    // m-th derivative of the Legendre polynomial of degree m
    // [l][m]: sqrt((2 l + 1) (l - m)! / (l + m)!), and sqrt(2) times that for m > 0
    double norm[LMAX + 1][LMAX + 1] = {};

    constexpr HarmonicFactors()
    {
      for (int m = 0; m <= LMAX; m++) {
        first[m] = m ? (2 * m - 1) * first[m - 1] : 1.0;
        for (int l = m; l <= LMAX; l++) {
          double square = (m ? 2.0 : 1.0) * (2 * l + 1);
          for (int k = l - m + 1; k <= l + m; k++) square /= k;
          norm[l][m] = square_root(square);
        }
      }
    }
  };

  /* real[m] + i imaginary[m] = (z + i x)^m */
  template <int LMAX, typename T, typename V> struct Azimuth {
    V real[LMAX + 1], imaginary[LMAX + 1];

    Azimuth(const V &x, const V &z)
    {
      real[0] = V{} + T(1);
      imaginary[0] = V{};
      MLPOT_UNROLL
      for (int m = 1; m <= LMAX; m++) {
        real[m] = z * real[m - 1] - x * imaginary[m - 1];
        imaginary[m] = z * imaginary[m - 1] + x * real[m - 1];
      }
    }
  };

  /* out[lm * stride] */
  template <int LMAX, typename N, typename V = Vector<N>>
  inline void harmonics_at(V x, V y, V z, N *out, int stride)
  {
    using T = Real<N>;
    constexpr HarmonicFactors<LMAX> FACTORS;
    const Azimuth<LMAX, T, V> azimuth(x, z);
    MLPOT_UNROLL
    for (int m = 0; m <= LMAX; m++) {
      V below = V{}, legendre = V{} + T(FACTORS.first[m]);
      MLPOT_UNROLL
      for (int l = m; l <= LMAX; l++) {
        const V value = T(FACTORS.norm[l][m]) * legendre;
        store<T>(out + (l * l + l + m) * stride, value * azimuth.real[m]);
        if (m > 0) store<T>(out + (l * l + l - m) * stride, value * azimuth.imaginary[m]);
        const V above = T((2 * l + 1.0) / (l + 1 - m)) * (y * legendre) -
            T((l + m + 0.0) / (l + 1 - m)) * below;
        below = legendre;
        legendre = above;
      }
    }
  }

  /* Gradient of sum_lm seed_lm Y_lm with respect to x, y, z. */
  template <int LMAX, typename T, typename V>
  inline void harmonics_gradient(V x, V y, V z, const T *seeds, int stride, V &gx, V &gy, V &gz)
  {
    constexpr HarmonicFactors<LMAX> FACTORS;
    const Azimuth<LMAX, T, V> azimuth(x, z);
    gx = gy = gz = V{};
    MLPOT_UNROLL
    for (int m = 0; m <= LMAX; m++) {
      V below = V{}, legendre = V{} + T(FACTORS.first[m]), derivative_below = V{}, derivative = V{};
      V real = V{}, imaginary = V{}, real_derivative = V{}, imaginary_derivative = V{};
      MLPOT_UNROLL
      for (int l = m; l <= LMAX; l++) {
        const V cosine = T(FACTORS.norm[l][m]) * load(seeds + (l * l + l + m) * stride);
        real += legendre * cosine;
        real_derivative += derivative * cosine;
        if (m > 0) {
          const V sine = T(FACTORS.norm[l][m]) * load(seeds + (l * l + l - m) * stride);
          imaginary += legendre * sine;
          imaginary_derivative += derivative * sine;
        }
        const T a = T((2 * l + 1.0) / (l + 1 - m)), b = T((l + m + 0.0) / (l + 1 - m));
        const V derivative_above = a * (y * derivative + legendre) - b * derivative_below;
        const V above = a * (y * legendre) - b * below;
        derivative_below = derivative;
        derivative = derivative_above;
        below = legendre;
        legendre = above;
      }
      gy += real_derivative * azimuth.real[m] + imaginary_derivative * azimuth.imaginary[m];
      if (m > 0) {
        gx += T(m) * (imaginary * azimuth.real[m - 1] - real * azimuth.imaginary[m - 1]);
        gz += T(m) * (real * azimuth.real[m - 1] + imaginary * azimuth.imaginary[m - 1]);
      }
    }
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
