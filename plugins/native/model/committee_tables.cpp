/* SPDX-License-Identifier: MIT */

#include "model/committee_tables.h"

#include <algorithm>

namespace mlpot {

template <typename T>
CommitteeTables<T>::CommitteeTables(const Members &members) :
    model(members.front()->model), members(members),
    polynomial(members.front()->source().layers[0], members.front()->source().architecture,
               model.n_channels * static_cast<int>(members.size())),
    elements(model.n_species)
{
  const std::size_t channels = model.n_channels;
  const std::size_t blocks = static_cast<std::size_t>(model.n_species) * (model.lmax + 1);
  for (int species = 0; species < model.n_species; species++) {
    join(&ElementTables<T>::mix, species, blocks * model.n_functions, channels);
    join(&ElementTables<T>::mix_t, species, blocks, channels * model.functions_width);
  }
  model.n_channels *= static_cast<int>(members.size());
  model.layers[0].elements = elements.data();
  model.layers[0].polynomial = polynomial.code.data();
}

template <typename T>
const ElementTables<T> &CommitteeTables<T>::element_of(std::size_t member, int species) const
{
  return members[member]->model.layers[0].elements[species];
}

/* Elements that share a table in the members share one here. */
template <typename T>
void CommitteeTables<T>::join(Table table, int species, std::size_t rows, std::size_t width)
{
  if (species > 0 && element_of(0, species).*table == element_of(0, 0).*table) {
    elements[species].*table = elements[0].*table;
    return;
  }
  arrays.emplace_back(rows * width * members.size());
  T *place = arrays.back().data();
  elements[species].*table = place;
  for (std::size_t row = 0; row < rows; row++)
    for (std::size_t member = 0; member < members.size(); member++)
      place = std::copy_n(element_of(member, species).*table + row * width, width, place);
}

template <typename T> void CommitteeTables<T>::prepare_species(int species)
{
  if (elements[species].polynomial_values) return;
  join(&ElementTables<T>::polynomial_values, species, polynomial.n_values(),
       members.front()->model.n_channels);
}

template <typename T> double CommitteeTables<T>::bytes() const
{
  return bytes_of(arrays);
}

template class CommitteeTables<float>;
template class CommitteeTables<double>;

}    // namespace mlpot
