/* SPDX-License-Identifier: MIT

   The tables of a deep committee of models with one layer as those of one wide model: each row holds the channels
   of all members, one after the other. Only the tables between the sums over the neighbors and the product basis. */

#ifndef MLPOT_COMMITTEE_TABLES_H
#define MLPOT_COMMITTEE_TABLES_H

#include "model/tables.h"

#include <deque>
#include <memory>
#include <vector>

namespace mlpot {

template <typename T> class CommitteeTables {
 public:
  using Members = std::vector<std::unique_ptr<Tables<T>>>;

  /* Members must be filled, and must outlive this object. */
  explicit CommitteeTables(const Members &members);
  CommitteeTables(const CommitteeTables &) = delete;
  CommitteeTables &operator=(const CommitteeTables &) = delete;

  ModelTables<T> model;    // points into this object

  /* Call it after that of the members. */
  void prepare_species(int species);
  double bytes() const;

 private:
  using Table = const T *ElementTables<T>::*;

  const Members &members;
  Polynomial polynomial;
  std::vector<ElementTables<T>> elements;    // [species]
  std::deque<AlignedArray<T>> arrays;

  const ElementTables<T> &element_of(std::size_t member, int species) const;
  void join(Table table, int species, std::size_t rows, std::size_t width);
};

}    // namespace mlpot

#endif
