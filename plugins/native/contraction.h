/* SPDX-License-Identifier: MIT

   The contraction as a polynomial in the components of the mixed density, for a pack of channels at
   a time. Its monomials form a tree, in which a node is its parent times one component; see
   polynomial.h for how the tree is written down. With p the product of the factors of a node and E
   the sum of all terms,

       q = dE/dp = c + sum_children A[f] q_child,    dE/dA[f_child] += p q_child,

   so one walk through the tree gives value (q of the root) and gradient for two multiply-adds a leaf. */

#ifndef MLPOT_CONTRACTION_H
#define MLPOT_CONTRACTION_H

#include "kernel.h"
#include "simd.h"

namespace mlpot {
namespace MLPOT_INSTRUCTIONS {

  /* Nodes with children of their own have fewer factors than the highest correlation. */
  constexpr int DEEPEST = 3;

  template <typename T> struct Walk {
    const int *code;
    const T *values;
    const T *density;       // A of this pack
    T *gradient;            // dE/dA of this pack
    Pack<T> *components;    // results, or their adjoints

    Pack<T> next_value()
    {
      values += Simd<T>::PACK;
      return Pack<T>::at(values - Simd<T>::PACK);
    }
  };

  /* Both walks are one loop nest, inlined to the deepest level: packs passed through memory from call
     to call would cost more than the arithmetic. */

  /* Adds the node's terms, its product being p, to the components. */
  template <int LEVELS, typename T>
  __attribute__((always_inline)) inline void add_values(Walk<T> &walk, const Pack<T> &p)
  {
    const int component = *walk.code++;
    if (component >= 0) walk.components[component].add(walk.next_value(), p);
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      Pack<T> inner = Pack<T>::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--)
        inner.add(walk.next_value(), Pack<T>::at(walk.density + *walk.code++));
      walk.components[target].add(inner, p);
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const Pack<T> child = p * Pack<T>::at(walk.density + *walk.code++);
        add_values<LEVELS - 1>(walk, child);
      }
  }

  /* Returns q of the node and adds to the gradient. WEIGHTED: every term is multiplied by the adjoint
     of its component; else all of them by one. */
  template <int LEVELS, bool WEIGHTED, typename T>
  __attribute__((always_inline)) inline Pack<T> add_gradient(Walk<T> &walk, const Pack<T> &p)
  {
    Pack<T> q = Pack<T>::zero();
    const int component = *walk.code++;
    if (component >= 0) {
      q = walk.next_value();
      if (WEIGHTED) q = q * walk.components[component];
    }
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      const Pack<T> weight = WEIGHTED ? walk.components[target] : Pack<T>::zero();
      const Pack<T> outer = WEIGHTED ? p * weight : p;
      Pack<T> inner = Pack<T>::zero();
      for (int leaves = *walk.code++; leaves > 0; leaves--) {
        const int factor = *walk.code++;
        const Pack<T> value = walk.next_value();
        inner.add(value, Pack<T>::at(walk.density + factor));
        add_to(walk.gradient + factor, value, outer);
      }
      if (WEIGHTED) inner = inner * weight;
      for (int k = 0; k < MLPOT_PACK_VECTORS; k++) q.v[k] += inner.v[k];
    }
    int children = *walk.code++;
    if constexpr (LEVELS > 0)
      for (; children > 0; children--) {
        const int factor = *walk.code++;
        const Pack<T> a = Pack<T>::at(walk.density + factor);
        const Pack<T> child = add_gradient<LEVELS - 1, WEIGHTED>(walk, p * a);
        q.add(a, child);
        add_to(walk.gradient + factor, child, p);
      }
    return q;
  }

  template <typename T>
  inline Walk<T> walk_of_pack(const LayerTables<T> &layer, int species, int channel,
                              Pack<T> *components, Workspace<T> &work)
  {
    // packs lie one after the other, each with all nodes
    const T *values = layer.polynomial_values[species] +
        static_cast<std::size_t>(channel) * layer.n_polynomial_values;
    return {layer.polynomial, values, work.mixed + channel, work.mixed_adjoint + channel,
            components};
  }

  template <typename T> inline Pack<T> ones()
  {
    Pack<T> one = Pack<T>::zero();
    for (int k = 0; k < MLPOT_PACK_VECTORS; k++) one.v[k] += T(1);
    return one;
  }

  /* mixed -> contracted */
  template <typename T>
  inline void contract(const ModelTables<T> &model, const LayerTables<T> &layer, int species,
                       Workspace<T> &work)
  {
    for (int channel = 0; channel < model.n_channels; channel += Simd<T>::PACK) {
      Pack<T> components[4];
      for (Pack<T> &component : components) component = Pack<T>::zero();
      Walk<T> walk = walk_of_pack(layer, species, channel, components, work);
      add_values<DEEPEST>(walk, ones<T>());
      for (int c = 0; c < layer.n_components; c++)
        components[c].to(work.contracted + c * model.n_channels + channel);
    }
  }

  template <typename T> inline void clear_gradient(const ModelTables<T> &model, Workspace<T> &work)
  {
    const Vector<T> zero = {};
    for (int k = 0; k < model.n_harmonics() * model.n_channels; k += Simd<T>::LANES)
      store<T>(work.mixed_adjoint + k, zero);
  }

  /* mixed -> contracted and d contracted/d mixed, for one component */
  template <typename T>
  inline void contract_with_gradient(const ModelTables<T> &model, const LayerTables<T> &layer,
                                     int species, Workspace<T> &work)
  {
    clear_gradient(model, work);
    for (int channel = 0; channel < model.n_channels; channel += Simd<T>::PACK) {
      Walk<T> walk = walk_of_pack<T>(layer, species, channel, nullptr, work);
      add_gradient<DEEPEST, false>(walk, ones<T>()).to(work.contracted + channel);
    }
  }

  /* mixed and contracted_adjoint -> mixed_adjoint */
  template <typename T>
  inline void contraction_adjoint(const ModelTables<T> &model, const LayerTables<T> &layer,
                                  int species, Workspace<T> &work)
  {
    clear_gradient(model, work);
    for (int channel = 0; channel < model.n_channels; channel += Simd<T>::PACK) {
      Pack<T> components[4];
      for (int c = 0; c < layer.n_components; c++)
        components[c] = Pack<T>::at(work.contracted_adjoint + c * model.n_channels + channel);
      Walk<T> walk = walk_of_pack(layer, species, channel, components, work);
      add_gradient<DEEPEST, true>(walk, ones<T>());
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
