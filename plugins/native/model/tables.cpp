/* SPDX-License-Identifier: MIT */

#include "model/tables.h"

#include "model/matrices.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace mlpot {

namespace {

  int padded(int size, int unit)
  {
    return (size + unit - 1) / unit * unit;
  }

}    // namespace

template <typename T>
Tables<T>::Tables(Parameters given, VectorWidths widths, Polynomials which) :
    model{}, parameters(std::move(given)), lanes(widths.lanes), pack(widths.pack)
{
  set_up_sizes();
  add_radial_scale();
  couplings.resize(model.n_layers);
  elements.assign(model.n_layers, std::vector<ElementTables<T>>(model.n_species));
  if (model.n_layers > 1) add_density_gate();
  for (int index = 0; index < model.n_layers; index++) {
    if (index > 0) add_couplings(index);
    add_polynomial(index);
  }
  lay_out(which);    // counts; the second call sets the pointers
  memory.assign(used);
  mirror.assign(mirrored);
  lay_out(which);
}

template <typename T> void Tables<T>::set_up_sizes()
{
  const Architecture &a = parameters.architecture;
  model.n_layers = a.n_layers;
  model.lmax = a.lmax;
  model.n_species = a.n_species;
  model.n_radial = a.n_radial;
  model.envelope_power = a.envelope_power;
  model.distance_transform = static_cast<T>(a.distance_transform);
  model.n_message_degrees = a.message_lmax + 1;
  model.radial_width = padded(a.n_radial, lanes);
  const bool pairs = parameters.layers[0].radial_mix.empty();
  model.n_functions = pairs ? a.n_radial : a.n_radial_functions;
  model.functions_width = padded(model.n_functions, lanes);
  model.n_channels = padded(a.n_channels, pack);
  model.message_channels = padded(a.message_channels, lanes);
  model.hidden_width = padded(a.readout_width, lanes);
  model.cutoff = a.cutoff;
  model.reference_energies = parameters.reference_energies.data();
  model.charge = parameters.charge.empty() ? nullptr : parameters.charge.data();
  model.radius = parameters.radius.empty() ? nullptr : parameters.radius.data();
}

/* See density_gate.h. */
template <typename T> void Tables<T>::add_density_gate()
{
  const Architecture &a = parameters.architecture;
  for (int index = 0; index < a.n_layers; index++)
    for (int species = 0; species < a.n_species; species++)
      elements[index][species].gate_threshold =
          a.n_channels * parameters.layers[index].max_density[species];
  const LayerParameters &first = parameters.layers[0];
  for (int species = 0; species < a.n_species; species++) {
    const Numbers own = scaled(multiply(part(first.update, species, a.n_species), first.readout,
                                        a.n_channels, a.n_channels, 1),
                               a.energy_scale);
    constants.emplace_back(model.n_channels);
    for (int k = 0; k < a.n_channels; k++) constants.back()[k] = static_cast<T>(own[k]);
    elements[0][species].to_own_energy = constants.back().data();
  }
}

/* As in mlpot/model/radial.py. */
template <typename T> void Tables<T>::add_radial_scale()
{
  double squares = 0.0;
  for (int n = 1; n <= model.n_radial; n++) squares += 1.0 / (static_cast<double>(n) * n);
  constants.emplace_back(model.n_radial);
  for (int n = 1; n <= model.n_radial; n++)
    constants.back()[n - 1] = static_cast<T>(2.0 / n * std::sqrt(model.n_radial / squares));
  model.radial_scale = constants.back().data();
}

template <typename T>
void Tables<T>::set_elements(const Numbers &reference_energies, const Numbers &charge,
                             const Numbers &radius)
{
  const auto replace = [](Numbers &values, const Numbers &others) {
    if (values.size() != others.size())
      throw std::runtime_error("there must be one value for each element");
    std::copy(others.begin(), others.end(), values.begin());    // tables point to them
  };
  replace(parameters.reference_energies, reference_energies);
  replace(parameters.charge, charge);
  replace(parameters.radius, radius);
}

template <typename T> void Tables<T>::lay_out(Polynomials which)
{
  const Architecture &a = parameters.architecture;
  used = mirrored = 0;
  layouts.clear();
  for (int index = 0; index < model.n_layers; index++) {
    if (index == 0)
      lay_out_mix();
    else
      lay_out_message_density(index);
    lay_out_readout(index);
    if (index < model.n_layers - 1) lay_out_messages(index);
  }
  model.hidden_to_energy =
      add_table(a.readout_width, model.hidden_width, {{1, a.readout_width, 0, 0, 1, used, 0, 1}});
  if (which == Polynomials::All)
    for (int index = 0; index < model.n_layers; index++) lay_out_polynomial(index);
}

/* A table for a plain array; places in `patches` are counted from the start of all tables. */
template <typename T>
const T *Tables<T>::add_table(std::size_t array_size, std::size_t size, std::vector<Patch> patches)
{
  constexpr std::size_t UNIT = AlignedArray<T>::ALIGNMENT / sizeof(T);
  const std::size_t table = used;
  layouts.push_back({array_size, std::move(patches), {}});
  used += (size + UNIT - 1) / UNIT * UNIT;
  return memory.data() ? memory.data() + table : nullptr;
}

/* A transpose of the table that was added last. */
template <typename T>
const T *Tables<T>::add_transposed(std::size_t size, std::vector<Patch> patches)
{
  constexpr std::size_t UNIT = AlignedArray<T>::ALIGNMENT / sizeof(T);
  const std::size_t table = mirrored;
  auto &all = layouts.back().transposed_patches;
  all.insert(all.end(), patches.begin(), patches.end());
  mirrored += (size + UNIT - 1) / UNIT * UNIT;
  return mirror.data() ? mirror.data() + table : nullptr;
}

/* n matrices and their transposes, which have as many rows as the padded columns. */
template <typename T>
const T *Tables<T>::add_matrices(const T *&transposed, int n, int rows, int columns,
                                 int padded_rows, int padded_columns, int columns_of_transposed)
{
  const std::size_t size = static_cast<std::size_t>(rows) * columns;
  const std::size_t padded_size = static_cast<std::size_t>(padded_rows) * padded_columns;
  const std::size_t transposed_size =
      static_cast<std::size_t>(padded_columns) * columns_of_transposed;
  std::vector<Patch> patches, mirrored_patches;
  for (int k = 0; k < n; k++) {
    patches.push_back(
        {rows, columns, k * size, columns, 1, used + k * padded_size, padded_columns, 1});
    mirrored_patches.push_back({rows, columns, k * size, columns, 1, mirrored + k * transposed_size,
                                1, columns_of_transposed});
  }
  const T *table = add_table(n * size, n * padded_size, patches);
  transposed = add_transposed(n * transposed_size, mirrored_patches);
  return table;
}

template <typename T> void Tables<T>::lay_out_mix()
{
  const Architecture &a = parameters.architecture;
  const bool pairs = parameters.layers[0].radial_mix.empty();
  if (!pairs) {
    const std::size_t rows = static_cast<std::size_t>(a.n_species) * a.n_radial;
    model.radial_mix = add_table(rows * model.n_functions, rows * model.functions_width,
                                 {{static_cast<int>(rows), model.n_functions, 0, model.n_functions,
                                   1, used, model.functions_width, 1}});
  }
  const int n = (pairs ? a.n_species : 1) * (a.lmax + 1);
  const T *transposed,
      *table = add_matrices(transposed, a.n_species * n, model.n_functions, a.n_channels,
                            model.n_functions, model.n_channels, model.functions_width);
  if (!table) return;
  const std::size_t size = static_cast<std::size_t>(n) * model.n_channels;
  for (int species = 0; species < a.n_species; species++) {
    elements[0][species].mix = table + species * size * model.n_functions;
    elements[0][species].mix_t = transposed + species * size * model.functions_width;
  }
}

template <typename T> void Tables<T>::lay_out_readout(int index)
{
  const Architecture &a = parameters.architecture;
  const T *energy =
      add_table(static_cast<std::size_t>(a.n_species) * a.n_channels,
                static_cast<std::size_t>(a.n_species) * model.n_channels,
                {{a.n_species, a.n_channels, 0, a.n_channels, 1, used, model.n_channels, 1}});
  const T *transposed,
      *hidden = add_matrices(transposed, a.n_species, a.n_channels, a.readout_width,
                             model.n_channels, model.hidden_width, model.n_channels);
  if (!energy) return;
  const std::size_t size = static_cast<std::size_t>(model.n_channels) * model.hidden_width;
  for (int species = 0; species < a.n_species; species++) {
    elements[index][species].to_energy = energy + species * model.n_channels;
    elements[index][species].to_hidden = hidden + species * size;
    elements[index][species].to_hidden_t = transposed + species * size;
  }
}

template <typename T> void Tables<T>::lay_out_message_density(int index)
{
  const Architecture &a = parameters.architecture;
  LayerTables<T> &layer = model.layers[index];
  const int degrees = a.message_lmax + 1, channels = a.message_channels;
  const int width = degrees * model.message_channels, l1_size = a.n_radial * width;
  std::vector<Patch> patches;
  for (int l1 = 0; l1 <= a.lmax; l1++)
    for (int l2 = 0; l2 < degrees; l2++)
      patches.push_back({a.n_radial, channels,
                         static_cast<std::size_t>(l1 * degrees + l2) * channels,
                         (a.lmax + 1) * degrees * channels, 1,
                         used + l1 * l1_size + l2 * model.message_channels, width, 1});
  layer.radial = add_table(static_cast<std::size_t>(a.n_radial) * (a.lmax + 1) * degrees * channels,
                           static_cast<std::size_t>(a.lmax + 1) * l1_size, patches);
  for (int L = 0; L <= a.lmax; L++) {
    const int n_paths = parameters.layers[index].n_paths[L];
    const int rows = n_paths * model.message_channels;
    const std::size_t size = static_cast<std::size_t>(channels) * a.n_channels;
    const std::size_t padded_size = static_cast<std::size_t>(rows) * model.n_channels;
    layer.n_paths[L] = n_paths;
    std::vector<Patch> table, transposed;
    for (int k = 0; k < a.n_species * n_paths; k++) {
      const std::size_t own = k / n_paths * padded_size;
      const std::size_t first = k % n_paths * model.message_channels;
      table.push_back({channels, a.n_channels, k * size, a.n_channels, 1,
                       used + own + first * model.n_channels, model.n_channels, 1});
      transposed.push_back(
          {channels, a.n_channels, k * size, a.n_channels, 1, mirrored + own + first, 1, rows});
    }
    const T *mix = add_table(a.n_species * n_paths * size, a.n_species * padded_size, table);
    const T *mix_t = add_transposed(a.n_species * padded_size, transposed);
    for (int species = 0; mix && species < a.n_species; species++) {
      elements[index][species].path_mix[L] = mix + species * padded_size;
      elements[index][species].path_mix_t[L] = mix_t + species * padded_size;
    }
  }
}

template <typename T> void Tables<T>::lay_out_messages(int index)
{
  const Architecture &a = parameters.architecture;
  const int degrees = model.n_message_degrees, channels = a.message_channels;
  const T *transposed,
      *message = add_matrices(transposed, a.n_species * degrees, a.n_channels, channels,
                              model.n_channels, model.message_channels, model.n_channels);
  const T *embedding =
      add_table(static_cast<std::size_t>(a.n_species) * channels,
                static_cast<std::size_t>(a.n_species) * model.message_channels,
                {{a.n_species, channels, 0, channels, 1, used, model.message_channels, 1}});
  if (!message) return;
  const std::size_t size = static_cast<std::size_t>(model.n_channels) * model.message_channels;
  for (int species = 0; species < a.n_species; species++) {
    ElementTables<T> &own = elements[index][species];
    for (int l = 0; l < degrees; l++) {
      own.message[l] = message + (species * degrees + l) * size;
      own.message_t[l] = transposed + (species * degrees + l) * size;
    }
    own.message_embedding = embedding + species * model.message_channels;
  }
}

/* Values of one element. */
template <typename T>
typename Tables<T>::Patch Tables<T>::polynomial_patch(std::size_t from, std::size_t to,
                                                      int n_nodes) const
{
  const int n_channels = parameters.architecture.n_channels;
  return {n_nodes, n_channels, from, n_channels, 1, to, model.n_channels, 1};
}

template <typename T> void Tables<T>::lay_out_polynomial(int index)
{
  const Architecture &a = parameters.architecture;
  const int n_nodes = polynomials[index]->n_values();
  const std::size_t size = static_cast<std::size_t>(n_nodes) * a.n_channels;
  const std::size_t padded_size = static_cast<std::size_t>(n_nodes) * model.n_channels;
  std::vector<Patch> patches;
  for (int species = 0; species < a.n_species; species++)
    patches.push_back(polynomial_patch(species * size, used + species * padded_size, n_nodes));
  const T *table = add_table(a.n_species * size, a.n_species * padded_size, patches);
  for (int species = 0; table && species < a.n_species; species++)
    elements[index][species].polynomial_values = table + species * padded_size;
}

template <typename T> template <typename S> void Tables<T>::fill(std::size_t index, const S *array)
{
  const auto copy = [array](const std::vector<Patch> &patches, T *places) {
    for (const Patch &p : patches)
      for (int i = 0; i < p.rows; i++)
        for (int j = 0; j < p.columns; j++)
          places[p.to + static_cast<std::size_t>(i) * p.to_row +
                 static_cast<std::size_t>(j) * p.to_column] =
              static_cast<T>(array[p.from + static_cast<std::size_t>(i) * p.from_row +
                                   static_cast<std::size_t>(j) * p.from_column]);
  };
  copy(layouts[index].patches, memory.data());
  copy(layouts[index].transposed_patches, mirror.data());
}

template <typename T>
void Tables<T>::read_gradient(std::size_t index, const T *gradients, T *array) const
{
  for (const Patch &p : layouts[index].patches)
    for (int i = 0; i < p.rows; i++)
      for (int j = 0; j < p.columns; j++)
        array[p.from + static_cast<std::size_t>(i) * p.from_row +
              static_cast<std::size_t>(j) * p.from_column] =
            gradients[p.to + static_cast<std::size_t>(i) * p.to_row +
                      static_cast<std::size_t>(j) * p.to_column];
}

/* The matrix of Clebsch-Gordan coefficients from (l1 m1, l2 m2) to (L, M, path) is sparse. */
template <typename T> void Tables<T>::add_couplings(int index)
{
  const Architecture &a = parameters.architecture;
  LayerTables<T> &layer = model.layers[index];
  const Numbers &matrix = parameters.layers[index].coupling;
  const int columns = a.n_harmonics() * model.message_components();
  const double norm = 1.0 / std::sqrt(a.average_neighbors);
  std::vector<T> values;
  for (std::size_t k = 0; k < matrix.size(); k++) {
    if (std::abs(matrix[k]) < 1e-14) continue;
    couplings[index].push_back(static_cast<int>(k / columns));
    couplings[index].push_back(static_cast<int>(k % columns));
    values.push_back(static_cast<T>(norm * matrix[k]));
  }
  layer.n_couplings = static_cast<int>(values.size());
  layer.couplings = couplings[index].data();
  constants.emplace_back(values.size());
  std::copy(values.begin(), values.end(), constants.back().data());
  layer.coupling_values = constants.back().data();
}

template <typename T> void Tables<T>::add_polynomial(int index)
{
  const Architecture &a = parameters.architecture;
  const LayerParameters &source = parameters.layers[index];
  LayerTables<T> &layer = model.layers[index];
  polynomials.push_back(std::make_unique<Polynomial>(source, a, model.n_channels));
  layer.elements = elements[index].data();
  layer.polynomial = polynomials.back()->code.data();
  layer.n_components = (source.output_lmax + 1) * (source.output_lmax + 1);
}

template <typename T> void Tables<T>::prepare_species(int species)
{
  for (int index = 0; index < model.n_layers; index++) {
    if (elements[index][species].polynomial_values) continue;
    const Numbers values = polynomials[index]->values(parameters.layers[index], species);
    const int n_nodes = polynomials[index]->n_values();
    constants.emplace_back(static_cast<std::size_t>(n_nodes) * model.n_channels);
    T *table = constants.back().data();
    const Patch p = polynomial_patch(0, 0, n_nodes);
    for (int i = 0; i < p.rows; i++)
      for (int j = 0; j < p.columns; j++)
        table[static_cast<std::size_t>(i) * p.to_row + j] =
            static_cast<T>(values[static_cast<std::size_t>(i) * p.from_row + j]);
    elements[index][species].polynomial_values = table;
  }
}

template <typename T> double Tables<T>::bytes() const
{
  return static_cast<double>(memory.bytes() + mirror.bytes()) + bytes_of(constants);
}

template class Tables<float>;
template class Tables<double>;
template void Tables<float>::fill(std::size_t, const float *);
template void Tables<float>::fill(std::size_t, const double *);
template void Tables<double>::fill(std::size_t, const double *);

}    // namespace mlpot
