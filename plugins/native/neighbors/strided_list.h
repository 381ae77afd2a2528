/* SPDX-License-Identifier: MIT

   A neighbor list that a host gives with strides, as rows for the kernels: copied when it changes. */

#ifndef MLPOT_STRIDED_LIST_H
#define MLPOT_STRIDED_LIST_H

#include "engine_api.h"

#include <vector>

namespace mlpot {

class StridedList {
 public:
  /* The same atoms with rows, which live as long as this object and until the next call. */
  mlpot_atoms with_rows(const mlpot_atoms &atoms);
  double bytes() const;

 private:
  unsigned long long version = 0;
  std::vector<int> entries;
  std::vector<int *> rows;    // [atom]

  void copy(const mlpot_atoms &atoms);
};

}    // namespace mlpot

#endif
