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

  template <typename T> struct Walk {
    const int *code;
    const T *values;
    const T *density;         // A of this pack
    T *gradient;              // dE/dA of this pack
    Pack<T> components[4];    // results, or their adjoints

    Pack<T> next_value()
    {
      values += Simd<T>::PACK;
      return Pack<T>::at(values - Simd<T>::PACK);
    }
  };

  /* Adds the node's terms, its product being p, to the components. */
  template <typename T> void add_values(Walk<T> &walk, const Pack<T> p)
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
    for (int children = *walk.code++; children > 0; children--)
      add_values(walk, p * Pack<T>::at(walk.density + *walk.code++));
  }

  /* Returns q of the node and adds to the gradient. WEIGHTED: every term is multiplied by the adjoint
     of its component; else all of them by one. */
  template <bool WEIGHTED, typename T> Pack<T> add_gradient(Walk<T> &walk, const Pack<T> p)
  {
    Pack<T> q = Pack<T>::zero();
    const int component = *walk.code++;
    if (component >= 0) {
      q = walk.next_value();
      if (WEIGHTED) q = q * walk.components[component];
    }
    for (int groups = *walk.code++; groups > 0; groups--) {
      const int target = *walk.code++;
      const Pack<T> weight = walk.components[target];
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
    for (int children = *walk.code++; children > 0; children--) {
      const int factor = *walk.code++;
      const Pack<T> a = Pack<T>::at(walk.density + factor);
      const Pack<T> child = add_gradient<WEIGHTED>(walk, p * a);
      q.add(a, child);
      add_to(walk.gradient + factor, child, p);
    }
    return q;
  }

  template <typename T>
  inline Walk<T> walk_of_pack(const LayerTables<T> &layer, int species, int channel,
                              Workspace<T> &work)
  {
    Walk<T> walk;
    walk.code = layer.polynomial;
    // packs lie one after the other, each with all nodes
    walk.values = layer.polynomial_values[species] +
        static_cast<std::size_t>(channel) * layer.n_polynomial_values;
    walk.density = work.mixed + channel;
    walk.gradient = work.mixed_adjoint + channel;
    for (int c = 0; c < 4; c++) walk.components[c] = Pack<T>::zero();
    return walk;
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
      Walk<T> walk = walk_of_pack(layer, species, channel, work);
      add_values(walk, ones<T>());
      for (int c = 0; c < layer.n_components; c++)
        walk.components[c].to(work.contracted + c * model.n_channels + channel);
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
      Walk<T> walk = walk_of_pack(layer, species, channel, work);
      add_gradient<false>(walk, ones<T>()).to(work.contracted + channel);
    }
  }

  /* mixed and contracted_adjoint -> mixed_adjoint */
  template <typename T>
  inline void contraction_adjoint(const ModelTables<T> &model, const LayerTables<T> &layer,
                                  int species, Workspace<T> &work)
  {
    clear_gradient(model, work);
    for (int channel = 0; channel < model.n_channels; channel += Simd<T>::PACK) {
      Walk<T> walk = walk_of_pack(layer, species, channel, work);
      for (int c = 0; c < layer.n_components; c++)
        walk.components[c] = Pack<T>::at(work.contracted_adjoint + c * model.n_channels + channel);
      add_gradient<true>(walk, ones<T>());
    }
  }

}    // namespace MLPOT_INSTRUCTIONS
}    // namespace mlpot

#endif
