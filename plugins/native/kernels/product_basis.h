/* SPDX-License-Identifier: MIT

   The product basis as a polynomial in the components of the atomic basis, for a pack of channels at
   a time. Its monomials form a tree, in which a node is its parent times one component; polynomial.h
   describes the encoding. With p the product of the factors of a node, c its value and E the sum of
   all terms,

       q = dE/dp = c + sum_children A[f] q_child,    dE/dA[f_child] += p q_child,    dE/dc = p,

   so one traversal of the tree gives value (q of the root) and gradient for two multiply-adds per leaf. */

#ifndef MLPOT_PRODUCT_BASIS_H
#define MLPOT_PRODUCT_BASIS_H

#include "kernels/kernel.h"
#include "kernels/simd.h"

#include <type_traits>

namespace mlpot {
namespace MLPOT_ISA {

  /* Nodes with children of their own have fewer factors than the highest correlation. */
  constexpr int DEEPEST = 3;

  template <typename N, int VECTORS> struct Traversal {
    using T = Real<N>;
    using OfReals = Pack<T, VECTORS>;
    using OfNumbers = Pack<N, VECTORS>;
    int channels;    // of all packs
    const int *code;
    const T *values;
    const N *density;         // A of this pack
    N *gradient;              // dE/dA of this pack
    OfNumbers *components;    // results, or their adjoints
    T *gradient_of_values;    // duals only; advances with `values`

    OfReals next_value()
    {
      const T *place = values;
      values += channels;
      return OfReals::at(place);
    }

    /* Adds the tangent of a b to the gradient of the next value. */
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

  /* Both traversals are one loop nest, inlined to the deepest level: passing packs through memory between calls
     would cost more than the arithmetic. */

  /* Adds the node's terms, its product being p, to the components. */
  template <int LEVELS, typename N, int VECTORS>
  __attribute__((always_inline)) inline void add_values(Traversal<N, VECTORS> &traversal,
                                                        const Pack<N, VECTORS> &p)
  {
    using P = Pack<N, VECTORS>;
    const int component = *traversal.code++;
    if (component >= 0) traversal.components[component].add(traversal.next_value(), p);
    for (int groups = *traversal.code++; groups > 0; groups--) {
      const int target = *traversal.code++;
      P inner = P::zero();
      for (int leaves = *traversal.code++; leaves > 0; leaves--)
        inner.add(traversal.next_value(), P::at(traversal.density + *traversal.code++));
      traversal.components[target].add(inner, p);
    }
    int children = *traversal.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const P child = p * P::at(traversal.density + *traversal.code++);
        add_values<LEVELS - 1>(traversal, child);
      }
  }

  /* Returns q of the node and adds to the gradient. WEIGHTED: every term is multiplied by the adjoint
     of its component; else all of them by one. */
  template <int LEVELS, bool WEIGHTED, typename N, int VECTORS>
  __attribute__((always_inline)) inline Pack<N, VECTORS>
  add_gradient_of(Traversal<N, VECTORS> &traversal, const Pack<N, VECTORS> &p)
  {
    using P = Pack<N, VECTORS>;
    static_assert(WEIGHTED || !Simd<N>::DUAL, "values have no gradient without weights");
    P q = P::zero();
    const int component = *traversal.code++;
    if (component >= 0) {
      if constexpr (WEIGHTED) {
        traversal.add_to_gradient_of_value(p, traversal.components[component]);
        q = traversal.next_value() * traversal.components[component];
      } else
        q = traversal.next_value();
    }
    for (int groups = *traversal.code++; groups > 0; groups--) {
      const int target = *traversal.code++;
      const P weight = WEIGHTED ? traversal.components[target] : P::zero();
      const P outer = WEIGHTED ? p * weight : p;
      P inner = P::zero();
      for (int leaves = *traversal.code++; leaves > 0; leaves--) {
        const int factor = *traversal.code++;
        const P a = P::at(traversal.density + factor);
        traversal.add_to_gradient_of_value(a, outer);
        const auto value = traversal.next_value();
        inner.add(value, a);
        add_to(traversal.gradient + factor, value, outer);
      }
      if (WEIGHTED) inner = inner * weight;
      for (int k = 0; k < VECTORS; k++) q.v[k] += inner.v[k];
    }
    int children = *traversal.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const int factor = *traversal.code++;
        const P a = P::at(traversal.density + factor);
        const P child = add_gradient_of<LEVELS - 1, WEIGHTED>(traversal, p * a);
        q.add(a, child);
        add_to(traversal.gradient + factor, child, p);
      }
    return q;
  }

  /* Calls visit(channel, number of vectors) for wide packs, then narrow ones, until all channels are covered. */
  template <typename N, typename Visit> inline void for_each_pack(int channels, const Visit &visit)
  {
    constexpr int LANES = Simd<N>::LANES, WIDE = Simd<N>::WIDE_PACK;
    int channel = 0;
    for (; channel + WIDE * LANES <= channels; channel += WIDE * LANES)
      visit(channel, std::integral_constant<int, WIDE>());
    if constexpr (WIDE > MLPOT_PACK_VECTORS)
      for (; channel < channels; channel += MLPOT_PACK_VECTORS * LANES)
        visit(channel, std::integral_constant<int, MLPOT_PACK_VECTORS>());
  }

  template <typename N, int VECTORS>
  inline Traversal<N, VECTORS> traversal_of_pack(const Task<N> &task, int channel,
                                                 Pack<N, VECTORS> *components)
  {
    const Real<N> *values = task.weights->polynomial_values + channel;
    Real<N> *gradient = Simd<N>::DUAL ? task.training.gradients + (values - task.training.tables)
                                      : nullptr;
    const Workspace<N> &work = *task.workspace;
    return {task.model->n_channels,
            task.model->layers[task.layer].polynomial,
            values,
            work.atomic_basis + channel,
            work.atomic_basis_adjoint + channel,
            components,
            gradient};
  }

  template <typename N, int VECTORS> inline Pack<N, VECTORS> ones()
  {
    Pack<N, VECTORS> one;
    for (int k = 0; k < VECTORS; k++) one.v[k] = Vector<N>{} + Real<N>(1);
    return one;
  }

  /* atomic_basis -> product_basis */
  template <typename N> inline void compute_product_basis(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    for_each_pack<N>(channels, [&](int channel, auto vectors) {
      using P = Pack<N, vectors>;
      P components[MAX_COMPONENTS];
      for (P &component : components) component = P::zero();
      Traversal<N, vectors> traversal = traversal_of_pack(task, channel, components);
      add_values<DEEPEST>(traversal, ones<N, vectors>());
      for (int c = 0; c < n_components; c++)
        components[c].to(task.workspace->product_basis + c * channels + channel);
    });
  }

  template <typename N> inline void clear_gradient(const Task<N> &task)
  {
    const Vector<N> zero = {};
    for (int k = 0; k < task.model->n_harmonics() * task.model->n_channels; k += Simd<N>::LANES)
      store<Real<N>>(task.workspace->atomic_basis_adjoint + k, zero);
  }

  /* atomic_basis -> product_basis and its gradient d product_basis/d atomic_basis, for one component */
  template <typename N> inline void compute_product_basis_and_gradient(const Task<N> &task)
  {
    clear_gradient(task);
    for_each_pack<N>(task.model->n_channels, [&](int channel, auto vectors) {
      Traversal<N, vectors> traversal = traversal_of_pack<N, vectors>(task, channel, nullptr);
      add_gradient_of<DEEPEST, false>(traversal, ones<N, vectors>())
          .to(task.workspace->product_basis + channel);
    });
  }

  /* atomic_basis and product_basis_adjoint -> atomic_basis_adjoint; of duals also the gradient of the values */
  template <typename N> inline void compute_atomic_basis_adjoint(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    clear_gradient(task);
    for_each_pack<N>(channels, [&](int channel, auto vectors) {
      using P = Pack<N, vectors>;
      P components[MAX_COMPONENTS];
      for (int c = 0; c < n_components; c++)
        components[c] = P::at(task.workspace->product_basis_adjoint + c * channels + channel);
      Traversal<N, vectors> traversal = traversal_of_pack(task, channel, components);
      add_gradient_of<DEEPEST, true>(traversal, ones<N, vectors>());
    });
  }

}    // namespace MLPOT_ISA
}    // namespace mlpot

#endif
