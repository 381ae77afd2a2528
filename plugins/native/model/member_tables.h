/* SPDX-License-Identifier: MIT

   Tables of descriptors, of the members of a shallow committee and of the feature distance. Descriptors of
   an atom are the features h_t of all layers and s = silu(h_T W1). Features are linear in the product
   bases, h_t = sum_(u <= t) B_u update_u skip_(u+1) ... skip_t with the weights of the element of the
   atom. The deviation of member m is scale (sum_t h_t . deviation_mt + s . deviation_m). */

#ifndef MLPOT_MEMBER_TABLES_H
#define MLPOT_MEMBER_TABLES_H

#include "kernels/aligned_array.h"
#include "kernels/kernel.h"
#include "model/parameters.h"

#include <deque>
#include <vector>

namespace mlpot {

template <typename T> class MemberTables {
 public:
  /* Sets the pointers of `model`, whose sizes must be set, to tables of this object. */
  MemberTables(const Parameters &parameters, ModelTables<T> &model, int lanes);
  MemberTables(const MemberTables &) = delete;
  MemberTables &operator=(const MemberTables &) = delete;

  double bytes() const;

 private:
  std::deque<AlignedArray<T>> arrays;
  std::vector<int> first_cluster;

  const T *add(const Numbers &matrix, std::size_t rows, std::size_t columns,
               std::size_t padded_rows, std::size_t padded_columns);
  void add_features(const Parameters &parameters, ModelTables<T> &model);
  void add_deviations(const Parameters &parameters, ModelTables<T> &model, int lanes);
  void add_distance(const Parameters &parameters, ModelTables<T> &model);
  void add_clusters(const Parameters &parameters, const std::vector<std::size_t> &place,
                    ModelTables<T> &model);
};

}    // namespace mlpot

#endif
