/* SPDX-License-Identifier: MIT */

#include "kernels/workspace.h"

#include <algorithm>
#include <type_traits>

namespace mlpot {

/* The first pass, without memory, counts; the second sets the pointers. */
template <typename N>
template <typename V>
void WorkspaceMemory<N>::cut(V *&place, std::size_t size)
{
  constexpr std::size_t ALIGNMENT = AlignedArray<char>::ALIGNMENT;
  if (memory.data()) place = reinterpret_cast<V *>(memory.data() + used);
  used += (size * sizeof(V) + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

template <typename N>
void WorkspaceMemory<N>::prepare(const ModelTables<Real<N>> &model, int n_members, int n_neighbors,
                                 int lanes)
{
  const int edges = n_neighbors + lanes;    // vectors of the last group may begin at any edge
  if (edges <= view.capacity) return;
  constexpr int UNIT = 16;
  const int capacity = (edges + edges / 4 + UNIT - 1) / UNIT * UNIT;
  memory = AlignedArray<char>();
  view = {};    // if the memory is not enough, the next call starts from here
  cut_all(model, n_members, capacity, lanes);
  memory.reserve(used);
  cut_all(model, n_members, capacity, lanes);
  view.capacity = capacity;
}

template <typename N>
void WorkspaceMemory<N>::cut_all(const ModelTables<Real<N>> &model, int n_members, int capacity,
                                 int lanes)
{
  used = 0;
  const std::size_t edges = capacity, harmonics = model.n_harmonics();
  const std::size_t channels = model.n_channels;
  cut(view.species_groups, model.n_species);
  cut(view.all_edges, 1);
  cut(view.group_of, model.n_species);
  for (double **array : {&view.x, &view.y, &view.z}) cut(*array, 2 * edges);
  for (int **array : {&view.index, &view.list_slot}) cut(*array, 2 * edges);
  cut(view.order, edges);
  for (double **array : {&view.r, &view.zbl_derivative, &view.radial_tangent}) cut(*array, edges);
  for (N **array :
       {&view.ux, &view.uy, &view.uz, &view.inverse, &view.one_minus_x, &view.distance_adjoint})
    cut(*array, edges);
  cut(view.edge_gradients, (1 + std::max(n_members - 1, model.n_deviations)) * 3 * edges);
  for (N **array : {&view.harmonics, &view.harmonics_adjoint}) cut(*array, harmonics * edges);
  for (N **array : {&view.radial, &view.radial_derivative}) cut(*array, model.n_radial * edges);
  for (N **array : {&view.radial_rows, &view.radial_derivative_rows})
    cut(*array, edges * model.radial_width);
  cut(view.function_rows, edges * model.functions_width);
  if (model.radial_mix) {
    for (N **array : {&view.mixed_radial, &view.mixed_radial_derivative})
      cut(*array, model.functions_width * edges);
    cut(view.function_derivative_rows, edges * model.functions_width);
  }
  const std::size_t groups = model.radial_mix ? 1 : model.n_species;
  cut(view.density, groups * harmonics * model.functions_width);
  for (N **array : {&view.atomic_basis, &view.atomic_basis_adjoint})
    cut(*array, harmonics * channels);
  for (N **array : {&view.product_basis, &view.product_basis_adjoint})
    cut(*array, MAX_COMPONENTS * channels);
  for (N **array : {&view.hidden, &view.activated, &view.silu_derivative})
    cut(*array, model.hidden_width);
  if (std::is_same_v<N, Real<N>>) cut_ensemble_arrays(model, n_members, capacity, lanes);
  if (model.n_layers > 1) cut_message_arrays(model, capacity);
}

template <typename N>
void WorkspaceMemory<N>::cut_ensemble_arrays(const ModelTables<Real<N>> &model, int n_members,
                                             int capacity, int lanes)
{
  const std::size_t edges = capacity, harmonics = model.n_harmonics();
  const std::size_t channels = model.n_channels, deviations = model.n_deviations;
  cut(view.ensemble.descriptors, model.descriptor_width);
  for (N **array : {&view.ensemble.whitened, &view.ensemble.difference})
    cut(*array, model.cluster_width);
  for (N **array : {&view.gated_basis, &view.ungated_rest}) cut(*array, MAX_COMPONENTS * channels);
  cut(view.ensemble.energies, model.deviation_width);
  cut(view.ensemble.products, deviations);
  cut(view.ensemble.hidden, deviations * model.hidden_width);
  cut(view.ensemble.seeds, deviations * MAX_COMPONENTS * channels);
  if (deviations > 0) cut(view.ensemble.component_gradients, MAX_COMPONENTS * harmonics * channels);
  const std::size_t sums = (harmonics * model.functions_width + lanes - 1) / lanes * lanes;
  const std::size_t groups = model.radial_mix ? 1 : model.n_species;
  cut(view.ensemble.rows, deviations * channels);
  // a shallow committee needs edge arrays of one member at a time
  const std::size_t members = n_members > 1 ? n_members : deviations > 0 ? 1 : 0;
  cut(view.density_adjoint, (1 + std::max(members, deviations)) * groups * sums);
  cut(view.ensemble.harmonics_adjoint, members * harmonics * edges);
  cut(view.ensemble.distance_adjoint, members * edges);
}

template <typename N>
void WorkspaceMemory<N>::cut_message_arrays(const ModelTables<Real<N>> &model, int capacity)
{
  const std::size_t edges = capacity, degrees = model.lmax + 1, width = model.message_width();
  const std::size_t pairs =
      static_cast<std::size_t>(model.n_message_degrees) * model.message_channels;
  cut(view.messages.radial, degrees * edges * pairs);
  cut(view.messages.radial_derivative, degrees * edges * pairs);
  if (!std::is_same_v<N, Real<N>>) cut(view.messages.backward, edges * width);
  cut(view.messages.density, model.n_harmonics() * width);
  if (std::is_same_v<N, Real<N>>) cut(view.messages.arranged, model.n_harmonics() * width);
  std::size_t rows = 0;
  for (int L = 0; L <= model.lmax; L++) rows += (2 * L + 1) * model.layers[1].n_paths[L];
  cut(view.messages.coupled, rows * model.message_channels);
  cut(view.messages.adjoint, std::max(1, model.n_deviations) * width);
}

template class WorkspaceMemory<float>;
template class WorkspaceMemory<double>;
template class WorkspaceMemory<Dual<float>>;
template class WorkspaceMemory<Dual<double>>;

}    // namespace mlpot
