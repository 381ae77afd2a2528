/* SPDX-License-Identifier: MIT

   Real spherical harmonics up to degree 4 and their adjoint, for vectors of unit vectors: e3nn's order
   (y is the polar axis) and component normalisation, as polynomials in x, y, z.

   The polynomials are homogeneous, but any others that agree on the unit sphere would do: the caller
   keeps only the part of the gradient that is tangent to it. */

#ifndef MLPOT_HARMONICS_H
#define MLPOT_HARMONICS_H

#include "simd.h"

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  constexpr double SQRT_3 = 1.7320508075688772935;
  constexpr double SQRT_5 = 2.2360679774997896964;
  constexpr double SQRT_15 = 3.8729833462074168852;
  // degree 3: sqrt(7) times sqrt(5/8), sqrt(15), sqrt(3/8), 1/2
  constexpr double SQRT_35_8 = 2.0916500663351888699;
  constexpr double SQRT_105 = 10.246950765959598383;
  constexpr double SQRT_21_8 = 1.6201851746019650628;
  constexpr double SQRT_7 = 2.6457513110645905905;
  // degree 4: 3 times sqrt(35)/2, sqrt(35/8), sqrt(5)/2, sqrt(5/8), 1/8
  constexpr double SQRT_315_4 = 8.8741196746494246;
  constexpr double SQRT_315_8 = 6.2749501990055666098;
  constexpr double SQRT_45_4 = 3.3541019662496845446;
  constexpr double SQRT_45_8 = 2.3717082451262844989;

  /* y[lm * stride] for lm > 0; the harmonic of degree 0 is 1. */
  template <int LMAX, typename N, typename V = Vector<N>>
  inline void harmonics_at(V x, V y, V z, N *out, int stride)
  {
    using T = Real<N>;
    const auto put = [&](int lm, V value) {
      store<T>(out + lm * stride, value);
    };
    const V xx = x * x, yy = y * y, zz = z * z;
    put(0, V{} + T(1));
    if (LMAX >= 1) {
      put(1, T(SQRT_3) * x);
      put(2, T(SQRT_3) * y);
      put(3, T(SQRT_3) * z);
    }
    if (LMAX >= 2) {
      put(4, T(SQRT_15) * x * z);
      put(5, T(SQRT_15) * x * y);
      put(6, T(SQRT_5) * (yy - T(0.5) * (xx + zz)));
      put(7, T(SQRT_15) * y * z);
      put(8, T(0.5 * SQRT_15) * (zz - xx));
    }
    if (LMAX >= 3) {
      const V ring = T(4) * yy - xx - zz;
      put(9, T(SQRT_35_8) * x * (T(3) * zz - xx));
      put(10, T(SQRT_105) * x * y * z);
      put(11, T(SQRT_21_8) * x * ring);
      put(12, T(0.5 * SQRT_7) * y * (T(2) * yy - T(3) * (xx + zz)));
      put(13, T(SQRT_21_8) * z * ring);
      put(14, T(0.5 * SQRT_105) * y * (zz - xx));
      put(15, T(SQRT_35_8) * z * (zz - T(3) * xx));
    }
    if (LMAX >= 4) {
      const V six = T(6) * yy - xx - zz, four = T(4) * yy - T(3) * (xx + zz), rho = xx + zz;
      put(16, T(SQRT_315_4) * x * z * (zz - xx));
      put(17, T(SQRT_315_8) * y * x * (T(3) * zz - xx));
      put(18, T(SQRT_45_4) * x * z * six);
      put(19, T(SQRT_45_8) * x * y * four);
      put(20, T(0.375) * (T(8) * yy * yy - T(24) * yy * rho + T(3) * rho * rho));
      put(21, T(SQRT_45_8) * z * y * four);
      put(22, T(0.5 * SQRT_45_4) * (zz - xx) * six);
      put(23, T(SQRT_315_8) * y * z * (zz - T(3) * xx));
      put(24, T(0.25 * SQRT_315_4) * (zz * zz - T(6) * xx * zz + xx * xx));
    }
  }

  /* Adds the gradient of sum_lm seed_lm Y_lm of degree 3. */
  template <typename T, typename V>
  inline void add_gradient_of_degree_3(V x, V y, V z, const T *seeds, int stride, V &gx, V &gy,
                                       V &gz)
  {
    const auto seed = [&](int lm, double factor) {
      return T(factor) * load(seeds + lm * stride);
    };
    const V xx = x * x, yy = y * y, zz = z * z;
    const V s0 = seed(9, SQRT_35_8), s1 = seed(10, SQRT_105), s2 = seed(11, SQRT_21_8),
            s3 = seed(12, 0.5 * SQRT_7), s4 = seed(13, SQRT_21_8), s5 = seed(14, 0.5 * SQRT_105),
            s6 = seed(15, SQRT_35_8);
    const V d = zz - xx, ring = T(4) * yy - xx - zz;
    gx += s0 * T(3) * d + s1 * y * z + s2 * (ring - T(2) * xx) - T(6) * s3 * x * y -
        T(2) * x * (s4 * z + s5 * y) - T(6) * s6 * x * z;
    gy += s1 * x * z + T(8) * y * (s2 * x + s4 * z) + s3 * (T(6) * yy - T(3) * (xx + zz)) + s5 * d;
    gz += T(6) * s0 * x * z + s1 * x * y - T(2) * s2 * x * z - T(6) * s3 * y * z +
        s4 * (ring - T(2) * zz) + T(2) * s5 * y * z + T(3) * s6 * d;
  }

  template <typename T, typename V>
  inline void add_gradient_of_degree_4(V x, V y, V z, const T *seeds, int stride, V &gx, V &gy,
                                       V &gz)
  {
    const auto seed = [&](int lm, double factor) {
      return T(factor) * load(seeds + lm * stride);
    };
    const V xx = x * x, yy = y * y, zz = z * z, d = zz - xx, rho = xx + zz, xyz = x * y * z;
    const V s0 = seed(16, SQRT_315_4), s1 = seed(17, SQRT_315_8), s2 = seed(18, SQRT_45_4),
            s3 = seed(19, SQRT_45_8), s4 = seed(20, 0.375), s5 = seed(21, SQRT_45_8),
            s6 = seed(22, 0.5 * SQRT_45_4), s7 = seed(23, SQRT_315_8),
            s8 = seed(24, 0.25 * SQRT_315_4);
    const V sine = x * (T(3) * zz - xx), cosine = z * (zz - T(3) * xx);
    const V six = T(6) * yy - rho, four = T(4) * yy - T(3) * rho;
    gx += s0 * cosine + T(3) * s1 * y * d + s2 * z * (six - T(2) * xx) +
        s3 * y * (four - T(6) * xx) + s4 * x * (T(12) * rho - T(48) * yy) - T(6) * xyz * (s5 + s7) +
        s6 * x * (T(4) * xx - T(12) * yy) + T(4) * s8 * x * (xx - T(3) * zz);
    gy += s1 * sine + T(12) * s2 * xyz + (s3 * x + s5 * z) * (T(12) * yy - T(3) * rho) +
        s4 * y * (T(32) * yy - T(48) * rho) + T(12) * s6 * y * d + s7 * cosine;
    gz += s0 * sine + T(6) * xyz * (s1 - s3) + s2 * x * (six - T(2) * zz) +
        s4 * z * (T(12) * rho - T(48) * yy) + s5 * y * (four - T(6) * zz) +
        s6 * z * (T(12) * yy - T(4) * zz) + T(3) * s7 * y * d + T(4) * s8 * cosine;
  }

  /* Gradient of sum_lm seed_lm Y_lm with respect to x, y, z. */
  template <int LMAX, typename T, typename V>
  inline void harmonics_gradient(V x, V y, V z, const T *seeds, int stride, V &gx, V &gy, V &gz)
  {
    const auto seed = [&](int lm, double factor) {
      return T(factor) * load(seeds + lm * stride);
    };
    gx = gy = gz = V{};
    if (LMAX >= 1) {
      gx = seed(1, SQRT_3);
      gy = seed(2, SQRT_3);
      gz = seed(3, SQRT_3);
    }
    if (LMAX >= 2) {
      const V s0 = seed(4, SQRT_15), s1 = seed(5, SQRT_15), s2 = seed(6, SQRT_5),
              s3 = seed(7, SQRT_15), s4 = seed(8, SQRT_15);
      gx += s0 * z + s1 * y - (s2 + s4) * x;
      gy += s1 * x + T(2) * s2 * y + s3 * z;
      gz += s0 * x + s3 * y + (s4 - s2) * z;
    }
    if (LMAX >= 3) add_gradient_of_degree_3<T, V>(x, y, z, seeds, stride, gx, gy, gz);
    if (LMAX >= 4) add_gradient_of_degree_4<T, V>(x, y, z, seeds, stride, gx, gy, gz);
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
