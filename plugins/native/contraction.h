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

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  /* Nodes with children of their own have fewer factors than the highest correlation. */
  constexpr int DEEPEST = 3;

  template <typename N> struct Walk {
    using T = Real<N>;
    const int *code;
    const T *values;
    const N *density;         // A of this pack
    N *gradient;              // dE/dA of this pack
    Pack<N> *components;      // results, or their adjoints
    T *gradient_of_values;    // duals only: moves with `values`

    Pack<T> next_value()
    {
      values += Simd<T>::PACK;
      return Pack<T>::at(values - Simd<T>::PACK);
    }

    /* The tangent of a b belongs to the value that comes next. */
    void add_to_gradient_of_value(const Pack<N> &a, const Pack<N> &b)
    {
      if constexpr (Simd<N>::DUAL) {
        for (int k = 0; k < MLPOT_PACK_VECTORS; k++) {
          T *place = gradient_of_values + k * Simd<T>::LANES;
          store<T>(place, load(place) + tangent_of_product<T>(a.v[k], b.v[k]));
        }
        gradient_of_values += Simd<T>::PACK;
      }
    }
  };

  /* Both walks are one loop nest, inlined to the deepest level: packs passed through memory from call
     to call would cost more than the arithmetic. */

  /* Adds the node's terms, its product being p, to the components. */
  template <int LEVELS, typename N>
  __attribute__((always_inline)) inline void add_values(Walk<N> &walk, const Pack<N> &p)
  {
    const int component = *walk.code++;
    if (component >= 0) walk.components[component].add(walk.next_value(), p);
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      Pack<N> inner = Pack<N>::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--)
        inner.add(walk.next_value(), Pack<N>::at(walk.density + *walk.code++));
      walk.components[target].add(inner, p);
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const Pack<N> child = p * Pack<N>::at(walk.density + *walk.code++);
        add_values<LEVELS - 1>(walk, child);
      }
  }

  /* Returns q of the node and adds to the gradient. WEIGHTED: every term is multiplied by the adjoint
     of its component; else all of them by one. */
  template <int LEVELS, bool WEIGHTED, typename N>
  __attribute__((always_inline)) inline Pack<N> add_gradient_of(Walk<N> &walk, const Pack<N> &p)
  {
    static_assert(WEIGHTED || !Simd<N>::DUAL, "values have no gradient without weights");
    Pack<N> q = Pack<N>::zero();
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
      const Pack<N> weight = WEIGHTED ? walk.components[target] : Pack<N>::zero();
      const Pack<N> outer = WEIGHTED ? p * weight : p;
      Pack<N> inner = Pack<N>::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--) {
        const int factor = *walk.code++;
        const Pack<N> a = Pack<N>::at(walk.density + factor);
        walk.add_to_gradient_of_value(a, outer);
        const auto value = walk.next_value();
        inner.add(value, a);
        add_to(walk.gradient + factor, value, outer);
      }
      if (WEIGHTED) inner = inner * weight;
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) q.v[k] += inner.v[k];
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const int factor = *walk.code++;
        const Pack<N> a = Pack<N>::at(walk.density + factor);
        const Pack<N> child = add_gradient_of<LEVELS - 1, WEIGHTED>(walk, p * a);
        q.add(a, child);
        add_to(walk.gradient + factor, child, p);
      }
    return q;
  }

  /* Packs lie one after the other, each with all nodes. */
  template <typename N> inline const Real<N> *values_of_pack(const Task<N> &task, int channel)
  {
    return task.weights->polynomial_values +
        static_cast<std::size_t>(channel) * task.model->layers[task.layer].n_polynomial_values;
  }

  template <typename N>
  inline Walk<N> walk_of_pack(const Task<N> &task, int channel, Pack<N> *components)
  {
    const Real<N> *values = values_of_pack(task, channel);
    Real<N> *gradient = Simd<N>::DUAL ? task.gradients + (values - task.tables) : nullptr;
    const Workspace<N> &work = *task.workspace;
    return {task.model->layers[task.layer].polynomial,
            values,
            work.mixed + channel,
            work.mixed_adjoint + channel,
            components,
            gradient};
  }

  template <typename N> inline Pack<N> ones()
  {
    Pack<N> one;
    for (int k = 0; k < MLPOT_PACK_VECTORS; k++) one.v[k] = Vector<N>{} + Real<N>(1);
    return one;
  }

  /* mixed -> contracted */
  template <typename N> inline void contract(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    for (int channel = 0; channel < channels; channel += Simd<N>::PACK) {
      Pack<N> components[MAX_COMPONENTS];
      for (Pack<N> &component : components) component = Pack<N>::zero();
      Walk<N> walk = walk_of_pack(task, channel, components);
      add_values<DEEPEST>(walk, ones<N>());
      for (int c = 0; c < n_components; c++)
        components[c].to(task.workspace->contracted + c * channels + channel);
    }
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
    for (int channel = 0; channel < task.model->n_channels; channel += Simd<N>::PACK) {
      Walk<N> walk = walk_of_pack<N>(task, channel, nullptr);
      add_gradient_of<DEEPEST, false>(walk, ones<N>()).to(task.workspace->contracted + channel);
    }
  }

  /* mixed and contracted_adjoint -> mixed_adjoint; of duals also the gradient of the values */
  template <typename N> inline void contraction_adjoint(const Task<N> &task)
  {
    const int channels = task.model->n_channels;
    const int n_components = task.model->layers[task.layer].n_components;
    clear_gradient(task);
    for (int channel = 0; channel < channels; channel += Simd<N>::PACK) {
      Pack<N> components[MAX_COMPONENTS];
      for (int c = 0; c < n_components; c++)
        components[c] = Pack<N>::at(task.workspace->contracted_adjoint + c * channels + channel);
      Walk<N> walk = walk_of_pack(task, channel, components);
      add_gradient_of<DEEPEST, true>(walk, ones<N>());
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
