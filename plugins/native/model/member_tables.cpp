/* SPDX-License-Identifier: MIT */

#include "model/member_tables.h"

#include "model/matrices.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mlpot {

namespace {

  /* Indices into a padded row of descriptors, without the padding. */
  std::vector<std::size_t> places(const Architecture &a, int n_channels)
  {
    std::vector<std::size_t> result;
    for (int layer = 0; layer < a.n_layers; layer++)
      for (int k = 0; k < a.n_channels; k++)
        result.push_back(static_cast<std::size_t>(layer) * n_channels + k);
    for (int k = 0; k < a.readout_width; k++)
      result.push_back(static_cast<std::size_t>(a.n_layers) * n_channels + k);
    return result;
  }

  /* Deviations of all members but the last, as columns. */
  Numbers columns_of_deviations(const Parameters &parameters, int n_members)
  {
    const std::size_t width = parameters.n_descriptors();
    const Numbers &all = parameters.deviations;
    double size = 0.0;
    for (const double value : all) size = std::max(size, std::abs(value));
    for (std::size_t k = 0; k < width; k++) {
      double sum = 0.0;
      for (int m = 0; m < n_members; m++) sum += all[m * width + k];
      if (!(std::abs(sum) <= 1e-6 * n_members * size))
        throw std::runtime_error("the deviations of its members do not sum to zero");
    }
    const Numbers kept(all.begin(), all.end() - width);
    return transposed(kept, n_members - 1, static_cast<int>(width));
  }

  template <typename T, typename S>
  void copy_row(const S *row, const std::vector<std::size_t> &place, T *table)
  {
    for (std::size_t i = 0; i < place.size(); i++) table[place[i]] = static_cast<T>(row[i]);
  }

  /* Rows of a lower triangle to the columns of a table. */
  template <typename T, typename S>
  void copy_triangle(const S *triangle, const std::vector<std::size_t> &place, std::size_t width,
                     T *table)
  {
    for (std::size_t i = 0; i < place.size(); i++)
      for (std::size_t j = 0; j <= i; j++)
        table[place[j] * width + place[i]] = static_cast<T>(*triangle++);
  }

}    // namespace

template <typename T>
MemberTables<T>::MemberTables(const Parameters &parameters, ModelTables<T> &model, int lanes)
{
  model.descriptor_width = model.n_layers * model.n_channels + model.hidden_width;
  model.cluster_width = (model.descriptor_width + lanes - 1) / lanes * lanes;
  add_features(parameters, model);
  if (!parameters.deviations.empty()) add_deviations(parameters, model, lanes);
  if (!parameters.n_clusters.empty()) add_distance(parameters, model);
}

template <typename T>
const T *MemberTables<T>::add(const Numbers &matrix, std::size_t rows, std::size_t columns,
                              std::size_t padded_rows, std::size_t padded_columns)
{
  arrays.emplace_back(padded_rows * padded_columns);
  T *table = arrays.back().data();
  for (std::size_t i = 0; i < rows; i++)
    for (std::size_t j = 0; j < columns; j++)
      table[i * padded_columns + j] = static_cast<T>(matrix[i * columns + j]);
  return table;
}

template <typename T>
void MemberTables<T>::add_features(const Parameters &parameters, ModelTables<T> &model)
{
  const Architecture &a = parameters.architecture;
  const int width = a.n_channels;
  for (int layer = 0; layer < a.n_layers; layer++)
    for (int species = 0; species < a.n_species; species++) {
      const std::size_t columns = static_cast<std::size_t>(a.n_layers - layer) * model.n_channels;
      Numbers all(width * columns, 0.0);
      Numbers features = part(parameters.layers[layer].update, species, a.n_species);
      for (int behind = layer; behind < a.n_layers; behind++) {
        if (behind > layer)
          features = multiply(features, part(parameters.layers[behind].skip, species, a.n_species),
                              width, width, width);
        for (int i = 0; i < width; i++)
          std::copy_n(
              &features[static_cast<std::size_t>(i) * width], width,
              &all[i * columns + static_cast<std::size_t>(behind - layer) * model.n_channels]);
      }
      model.layers[layer].elements[species].to_features =
          add(all, width, columns, model.n_channels, columns);
    }
}

template <typename T>
void MemberTables<T>::add_deviations(const Parameters &parameters, ModelTables<T> &model, int lanes)
{
  const Architecture &a = parameters.architecture;
  const int width = a.n_channels, hidden = a.readout_width;
  const int n = static_cast<int>(parameters.deviations.size() / parameters.n_descriptors()) - 1;
  const Numbers columns = scaled(columns_of_deviations(parameters, n + 1),
                                 a.energy_scale);    // [descriptor][deviation]
  model.n_deviations = n;
  model.deviation_width = (n + lanes - 1) / lanes * lanes;
  for (int species = 0; species < a.n_species; species++) {
    Numbers behind(static_cast<std::size_t>(width) * n, 0.0);    // h_t -> energy
    for (int layer = a.n_layers - 1; layer >= 0; layer--) {
      if (layer < a.n_layers - 1)
        behind = multiply(part(parameters.layers[layer + 1].skip, species, a.n_species), behind,
                          width, width, n);
      const double *own = &columns[static_cast<std::size_t>(layer) * width * n];
      for (std::size_t k = 0; k < behind.size(); k++) behind[k] += own[k];
      const Numbers folded = multiply(part(parameters.layers[layer].update, species, a.n_species),
                                      behind, width, width, n);
      ElementTables<T> &tables = model.layers[layer].elements[species];
      tables.to_deviations = add(folded, width, n, model.n_channels, model.deviation_width);
      tables.to_deviations_t = add(transposed(folded, width, n), n, width, n, model.n_channels);
      if (layer > 0 || a.n_layers == 1) continue;
      const Numbers first(columns.begin(),
                          columns.begin() + static_cast<std::ptrdiff_t>(width) * n);
      const Numbers alone =
          multiply(part(parameters.layers[0].update, species, a.n_species), first, width, width, n);
      tables.to_own_deviations = add(alone, width, n, model.n_channels, model.deviation_width);
      tables.to_own_deviations_t = add(transposed(alone, width, n), n, width, n, model.n_channels);
    }
  }
  const Numbers last(columns.end() - static_cast<std::ptrdiff_t>(hidden) * n, columns.end());
  model.hidden_to_deviations = add(last, hidden, n, model.hidden_width, model.deviation_width);
  model.hidden_to_deviations_t = add(transposed(last, hidden, n), n, hidden, n, model.hidden_width);
}

/* Whitenings are stored transposed: rows are descriptors, columns their whitened combinations. */
template <typename T>
void MemberTables<T>::add_distance(const Parameters &parameters, ModelTables<T> &model)
{
  const std::vector<std::size_t> place = places(parameters.architecture, model.n_channels);
  const std::size_t n = place.size(), width = model.descriptor_width;
  const std::size_t n_species = parameters.architecture.n_species, size = n * (n + 1) / 2;
  arrays.emplace_back(n_species * width);
  T *mean = arrays.back().data();
  arrays.emplace_back(n_species * width * width);
  T *whitening = arrays.back().data();
  std::size_t known = 0;
  for (std::size_t species = 0; species < n_species; species++) {
    if (parameters.n_clusters[species] == 0) continue;
    copy_row(&parameters.distance_mean[known * n], place, mean + species * width);
    copy_triangle(&parameters.distance_whitening[known * size], place, width,
                  whitening + species * width * width);
    known++;
  }
  model.distance_mean = mean;
  model.distance_whitening = whitening;
  add_clusters(parameters, place, model);
}

template <typename T>
void MemberTables<T>::add_clusters(const Parameters &parameters,
                                   const std::vector<std::size_t> &place, ModelTables<T> &model)
{
  const std::size_t n = place.size(), width = model.cluster_width, size = n * (n + 1) / 2;
  first_cluster.assign(1, 0);
  for (const std::int64_t count : parameters.n_clusters)
    first_cluster.push_back(first_cluster.back() + static_cast<int>(count));
  const std::size_t n_clusters = first_cluster.back();
  arrays.emplace_back(n_clusters * width);
  T *mean = arrays.back().data();
  arrays.emplace_back(n_clusters * width * width);
  T *whitening = arrays.back().data();
  for (std::size_t k = 0; k < n_clusters; k++) {
    copy_row(&parameters.cluster_mean[k * n], place, mean + k * width);
    copy_triangle(&parameters.cluster_whitening[k * size], place, width,
                  whitening + k * width * width);
  }
  model.first_cluster = first_cluster.data();
  model.cluster_mean = mean;
  model.cluster_whitening = whitening;
}

template <typename T> double MemberTables<T>::bytes() const
{
  return bytes_of(arrays);
}

template class MemberTables<float>;
template class MemberTables<double>;

}    // namespace mlpot
