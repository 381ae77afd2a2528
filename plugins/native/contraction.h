/* SPDX-License-Identifier: MIT

   The contraction as a polynomial in the components of the mixed density, for a pack of channels at
   a time. Its monomials form a tree, in which a node is its parent times one component; see
   polynomial.h for how the tree is written down. With p the product of the factors of a node, c its
   value and E the sum of all terms,

       q = dE/dp = c + sum_children A[f] q_child,    dE/dA[f_child] += p q_child,    dE/dc = p,

   so one walk through the tree gives value (q of the root) and gradient for two multiply-adds a leaf. */

#ifndef MLPOT_CONTRACTION_H
#define MLPOT_CONTRACTION_H

#include "kernel.h"
#include "simd.h"

#include <type_traits>

namespace mlpot {
namespace MLPOT_ISA {

  /* Nodes with children of their own have fewer factors than the highest correlation. */
  constexpr int DEEPEST = 3;

  template <typename N, int VECTORS> struct Walk {
    using T = Real<N>;
    using OfReals = Pack<T, VECTORS>;
    using OfNumbers = Pack<N, VECTORS>;
    int channels;    // of all packs
    const int *code;
    const T *values;
    const N *density;         // A of this pack
    N *gradient;              // dE/dA of this pack
    OfNumbers *components;    // results, or their adjoints
    T *gradient_of_values;    // duals only: moves with `values`

    OfReals next_value()
    {
      const T *place = values;
      values += channels;
      return OfReals::at(place);
    }

    /* The tangent of a b belongs to the value that comes next. */
    void add_to_gradient_of_value(const OfNumbers &a, const OfNumbers &b)
    {
      if constexpr (Simd<N>::DUAL) {
        for (int k = 0; k < VECTORS; k++) {
          T *place = gradient_of_values + k * Simd<T>::LANES;
          store<T>(place, load(place) + tangent_of_product<T>(a.v[k], b.v[k]));
        }
        gradient_of_values += channels;
      }
    }
  };

  /* Both walks are one loop nest, inlined to the deepest level: packs passed through memory from call
     to call would cost more than the arithmetic. */

  /* Adds the node's terms, its product being p, to the components. */
  template <int LEVELS, typename N, int VECTORS>
  __attribute__((always_inline)) inline void add_values(Walk<N, VECTORS> &walk,
                                                        const Pack<N, VECTORS> &p)
  {
    using P = Pack<N, VECTORS>;
    const int component = *walk.code++;
    if (component >= 0) walk.components[component].add(walk.next_value(), p);
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      P inner = P::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--)
        inner.add(walk.next_value(), P::at(walk.density + *walk.code++));
      walk.components[target].add(inner, p);
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const P child = p * P::at(walk.density + *walk.code++);
        add_values<LEVELS - 1>(walk, child);
      }
  }

  /* Returns q of the node and adds to the gradient. WEIGHTED: every term is multiplied by the adjoint
     of its component; else all of them by one. */
  template <int LEVELS, bool WEIGHTED, typename N, int VECTORS>
  __attribute__((always_inline)) inline Pack<N, VECTORS> add_gradient_of(Walk<N, VECTORS> &walk,
                                                                         const Pack<N, VECTORS> &p)
  {
    using P = Pack<N, VECTORS>;
    static_assert(WEIGHTED || !Simd<N>::DUAL, "values have no gradient without weights");
    P q = P::zero();
    const int component = *walk.code++;
    if (component >= 0) {
      if constexpr (WEIGHTED) {
        walk.add_to_gradient_of_value(p, walk.components[component]);
        q = walk.next_value() * walk.components[component];
      } else
        q = walk.next_value();
    }
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      const P weight = WEIGHTED ? walk.components[target] : P::zero();
      const P outer = WEIGHTED ? p * weight : p;
      P inner = P::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--) {
        const int factor = *walk.code++;
        const P a = P::at(walk.density + factor);
        walk.add_to_gradient_of_value(a, outer);
        const auto value = walk.next_value();
        inner.add(value, a);
        add_to(walk.gradient + factor, value, outer);
      }
      if (WEIGHTED) inner = inner * weight;
      for (int k = 0; k < VECTORS; k++) q.v[k] += inner.v[k];
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const int factor = *walk.code++;
        const P a = P::at(walk.density + factor);
        const P child = add_gradient_of<LEVELS - 1, WEIGHTED>(walk, p * a);
        q.add(a, child);
        add_to(walk.gradient + factor, child, p);
      }
    return q;
  }

  /* Calls walk_pack(channel, number of vectors) for wide packs as long as there are channels, and for others. */
  template <typename N, typename WalkPack>
  inline void for_each_pack(int channels, const WalkPack &walk_pack)
  {
    constexpr int LANES = Simd<N>::LANES, WIDE = Simd<N>::WIDE_PACK;
    int channel = 0;
    for (; channel + WIDE * LANES <= channels; channel += WIDE * LANES)
      walk_pack(channel, std::integral_constant<int, WIDE>());
    if constexpr (WIDE > MLPOT_PACK_VECTORS)
      for (; channel < channels; channel += MLPOT_PACK_VECTORS * LANES)
        walk_pack(channel, std::integral_constant<int, MLPOT_PACK_VECTORS>());
  }

  template <typename N, int VECTORS>
  inline Walk<N, VECTORS> walk_of_pack(const Task<N> &task, int channel,
                                       Pack<N, VECTORS> *components)
  {
    const Real<N> *values = task.weights->polynomial_values + channel;
    Real<N> *gradient = Simd<N>::DUAL ? task.gradients + (values - task.tables) : nullptr;
    const Workspace<N> &work = *task.workspace;
    return {task.model->n_channels,
            task.model->layers[task.layer].polynomial,
            values,
            work.mixed + channel,
            work.mixed_adjoint + channel,
            components,
            gradient};
  }

  template <typename N, int VECTORS> inline Pack<N, VECTORS> ones()
  {
    Pack<N, VECTORS> one;
    for (int k = 0; k < VECTORS; k++) one.v[k] = Vector<N>{} + Real<N>(1);
    return one;
  }

  /* mixed -> contracted */
  template <typename N> inline void contract(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    for_each_pack<N>(channels, [&](int channel, auto vectors) {
      using P = Pack<N, vectors>;
      P components[MAX_COMPONENTS];
      for (P &component : components) component = P::zero();
      Walk<N, vectors> walk = walk_of_pack(task, channel, components);
      add_values<DEEPEST>(walk, ones<N, vectors>());
      for (int c = 0; c < n_components; c++)
        components[c].to(task.workspace->contracted + c * channels + channel);
    });
  }

  template <typename N> inline void clear_gradient(const Task<N> &task)
  {
    const Vector<N> zero = {};
    for (int k = 0; k < task.model->n_harmonics() * task.model->n_channels; k += Simd<N>::LANES)
      store<Real<N>>(task.workspace->mixed_adjoint + k, zero);
  }

  /* mixed -> contracted and d contracted/d mixed, for one component */
  template <typename N> inline void contract_with_gradient(const Task<N> &task)
  {
    clear_gradient(task);
    for_each_pack<N>(task.model->n_channels, [&](int channel, auto vectors) {
      Walk<N, vectors> walk = walk_of_pack<N, vectors>(task, channel, nullptr);
      add_gradient_of<DEEPEST, false>(walk, ones<N, vectors>())
          .to(task.workspace->contracted + channel);
    });
  }

  /* mixed and contracted_adjoint -> mixed_adjoint; of duals also the gradient of the values */
  template <typename N> inline void contraction_adjoint(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    clear_gradient(task);
    for_each_pack<N>(channels, [&](int channel, auto vectors) {
      using P = Pack<N, vectors>;
      P components[MAX_COMPONENTS];
      for (int c = 0; c < n_components; c++)
        components[c] = P::at(task.workspace->contracted_adjoint + c * channels + channel);
      Walk<N, vectors> walk = walk_of_pack(task, channel, components);
      add_gradient_of<DEEPEST, true>(walk, ones<N, vectors>());
    });
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
