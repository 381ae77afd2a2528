/* SPDX-License-Identifier: MIT */

#include "tables.h"

#include <cmath>
#include <stdexcept>

namespace mlpot {

namespace {

  int padded(int size, int unit)
  {
    return (size + unit - 1) / unit * unit;
  }

  /* a (rows x inner) times b (inner x columns) */
  Numbers multiply(const Numbers &a, const Numbers &b, int rows, int inner, int columns)
  {
    Numbers c(static_cast<std::size_t>(rows) * columns, 0.0);
    for (int i = 0; i < rows; i++)
      for (int k = 0; k < inner; k++)
        for (int j = 0; j < columns; j++)
          c[i * columns + j] += a[i * inner + k] * b[k * columns + j];
    return c;
  }

}    // namespace

template <typename T>
Tables<T>::Tables(Parameters given, const Kernels &kernels) :
    model{}, parameters(std::move(given)),
    lanes(kernels.vector_bytes / static_cast<int>(sizeof(T))),
    pack(kernels.pack_bytes / static_cast<int>(sizeof(T)))
{
  set_up_sizes();
  const int n_layers = model.n_layers;
  couplings.resize(n_layers);
  polynomial_values.resize(n_layers);
  for (int index = 0; index < n_layers; index++) {
    if (index == 0)
      add_species_mix(index);
    else
      add_message_density(index);
    add_polynomial(index);
    if (index < n_layers - 1) add_messages(index);
  }
  add_readouts();
}

template <typename T> void Tables<T>::set_up_sizes()
{
  const Architecture &a = parameters.architecture;
  model.n_layers = a.n_layers;
  model.lmax = a.lmax;
  model.n_species = a.n_species;
  model.n_radial = a.n_radial;
  model.envelope_power = a.envelope_power;
  model.n_message_degrees = a.message_lmax + 1;
  model.radial_width = padded(a.n_radial, lanes);
  model.n_channels = padded(a.n_channels, pack);
  model.message_channels = padded(a.message_channels, lanes);
  model.hidden_width = padded(a.readout_width, lanes);
  model.cutoff = a.cutoff;
  model.reference_energies = parameters.reference_energies.data();
  model.charge = parameters.charge.empty() ? nullptr : parameters.charge.data();
  model.radius = parameters.radius.empty() ? nullptr : parameters.radius.data();
}

template <typename T>
typename Tables<T>::Block Tables<T>::matrix(const Numbers &values, std::size_t first, int rows,
                                            int columns)
{
  return {values.data() + first, rows, columns, columns, 1};
}

template <typename T> typename Tables<T>::Block Tables<T>::transpose(const Block &block)
{
  return {block.values, block.columns, block.rows, block.column_stride, block.row_stride};
}

template <typename T>
const T *Tables<T>::pack_blocks(const std::vector<Block> &blocks, int padded_rows,
                                int padded_columns, double scale)
{
  const std::size_t size = static_cast<std::size_t>(padded_rows) * padded_columns;
  arrays.emplace_back(blocks.size() * size);
  T *place = arrays.back().data();
  for (const Block &block : blocks) {
    for (int i = 0; i < block.rows; i++)
      for (int j = 0; j < block.columns; j++)
        place[static_cast<std::size_t>(i) * padded_columns + j] =
            static_cast<T>(scale * block.values[i * block.row_stride + j * block.column_stride]);
    place += size;
  }
  return arrays.back().data();
}

template <typename T> void Tables<T>::add_species_mix(int index)
{
  const Architecture &a = parameters.architecture;
  std::vector<Block> blocks, transposed;
  for (int k = 0; k < a.n_species * (a.lmax + 1); k++) {
    blocks.push_back(matrix(parameters.layers[index].species_mix,
                            static_cast<std::size_t>(k) * a.n_radial * a.n_channels, a.n_radial,
                            a.n_channels));
    transposed.push_back(transpose(blocks.back()));
  }
  const double norm = 1.0 / std::sqrt(a.average_neighbors);
  LayerTables<T> &layer = model.layers[index];
  layer.mix = pack_blocks(blocks, a.n_radial, model.n_channels, norm);
  layer.mix_t = pack_blocks(transposed, model.n_channels, model.radial_width, norm);
}

template <typename T> void Tables<T>::add_message_density(int index)
{
  const Architecture &a = parameters.architecture;
  const int degrees = a.message_lmax + 1, width = degrees * model.message_channels;
  const Numbers &radial = parameters.layers[index].radial;    // [radial][l1][l2][channel]
  Numbers ordered(static_cast<std::size_t>(a.lmax + 1) * a.n_radial * width, 0.0);
  for (int n = 0; n < a.n_radial; n++)
    for (int l1 = 0; l1 <= a.lmax; l1++)
      for (int l2 = 0; l2 < degrees; l2++)
        for (int c = 0; c < a.message_channels; c++)
          ordered[(l1 * a.n_radial + n) * width + l2 * model.message_channels + c] =
              radial[((n * (a.lmax + 1) + l1) * degrees + l2) * a.message_channels + c];
  LayerTables<T> &layer = model.layers[index];
  layer.radial = pack_blocks({matrix(ordered, 0, (a.lmax + 1) * a.n_radial, width)},
                             (a.lmax + 1) * a.n_radial, width);
  for (int L = 0; L <= a.lmax; L++) add_path_mix(index, L);
  add_couplings(index);
}

template <typename T> void Tables<T>::add_path_mix(int index, int L)
{
  const Architecture &a = parameters.architecture;
  LayerTables<T> &layer = model.layers[index];
  const int n_paths = parameters.layers[index].n_paths[L], channels = model.message_channels;
  layer.n_paths[L] = n_paths;
  const Numbers &mix = parameters.layers[index].path_mix[L];
  Numbers ordered(static_cast<std::size_t>(n_paths) * channels * a.n_channels, 0.0);
  for (int path = 0; path < n_paths; path++)
    for (int c = 0; c < a.message_channels; c++)
      for (int k = 0; k < a.n_channels; k++)
        ordered[(path * channels + c) * a.n_channels + k] =
            mix[(path * a.message_channels + c) * a.n_channels + k];
  const Block block = matrix(ordered, 0, n_paths * channels, a.n_channels);
  layer.path_mix[L] = pack_blocks({block}, n_paths * channels, model.n_channels);
  layer.path_mix_t[L] = pack_blocks({transpose(block)}, model.n_channels, n_paths * channels);
}

/* The matrix from (l1 m1, l2 m2) to (L, M, path) has few entries. */
template <typename T> void Tables<T>::add_couplings(int index)
{
  const Architecture &a = parameters.architecture;
  LayerTables<T> &layer = model.layers[index];
  const Numbers &matrix = parameters.layers[index].coupling;
  const int columns = a.n_harmonics() * model.message_components();
  const double norm = 1.0 / std::sqrt(a.average_neighbors);
  Numbers values;
  for (std::size_t k = 0; k < matrix.size(); k++) {
    if (std::abs(matrix[k]) < 1e-14) continue;
    couplings[index].push_back(static_cast<int>(k / columns));
    couplings[index].push_back(static_cast<int>(k % columns));
    values.push_back(norm * matrix[k]);
  }
  layer.n_couplings = static_cast<int>(values.size());
  layer.couplings = couplings[index].data();
  layer.coupling_values =
      pack_blocks({Tables::matrix(values, 0, 1, layer.n_couplings)}, 1, layer.n_couplings);
}

template <typename T> void Tables<T>::add_polynomial(int index)
{
  const Architecture &a = parameters.architecture;
  const LayerParameters &source = parameters.layers[index];
  LayerTables<T> &layer = model.layers[index];
  polynomials.push_back(std::make_unique<Polynomial>(source, a, model.n_channels));
  polynomial_values[index].assign(a.n_species, nullptr);
  layer.polynomial = polynomials.back()->code.data();
  layer.polynomial_values = polynomial_values[index].data();
  layer.n_polynomial_values = polynomials.back()->n_values();
  layer.n_components = (source.output_lmax + 1) * (source.output_lmax + 1);
}

template <typename T> void Tables<T>::prepare_species(int species)
{
  const int n_channels = parameters.architecture.n_channels;
  for (int index = 0; index < model.n_layers; index++) {
    if (polynomial_values[index][species]) continue;
    const Numbers values = polynomials[index]->values(parameters.layers[index], species);
    const int n_nodes = polynomials[index]->n_values();
    std::vector<Block> blocks;
    for (int channel = 0; channel < model.n_channels; channel += pack) {
      const int width = std::max(0, std::min(pack, n_channels - channel));
      blocks.push_back(
          {values.data() + std::min(channel, n_channels - 1), n_nodes, width, n_channels, 1});
    }
    polynomial_values[index][species] = pack_blocks(blocks, n_nodes, pack);
  }
}

template <typename T> void Tables<T>::add_messages(int index)
{
  const Architecture &a = parameters.architecture;
  const LayerParameters &source = parameters.layers[index];
  LayerTables<T> &layer = model.layers[index];
  const std::size_t size = static_cast<std::size_t>(a.n_channels) * a.message_channels;
  for (int l = 0; l < model.n_message_degrees; l++) {
    const Block block = matrix(source.message, l * size, a.n_channels, a.message_channels);
    layer.message[l] = pack_blocks({block}, model.n_channels, model.message_channels);
    layer.message_t[l] = pack_blocks({transpose(block)}, model.message_channels, model.n_channels);
  }
  layer.message_embedding =
      pack_blocks({matrix(source.message_embedding, 0, a.n_species, a.message_channels)},
                  a.n_species, model.message_channels);
}

/* From the last layer back: what follows h_t is `energy` (channel) and `hidden` (channel x hidden). */
template <typename T> void Tables<T>::add_readouts()
{
  const Architecture &a = parameters.architecture;
  const int width = a.n_channels, hidden_width = a.readout_width;
  Numbers energy(width, 0.0), hidden(static_cast<std::size_t>(width) * hidden_width);
  for (int k = 0; k < width; k++)
    for (int j = 0; j < hidden_width; j++)
      hidden[k * hidden_width + j] = parameters.first_readout[j * width + k];
  for (int index = model.n_layers - 1; index >= 0; index--) {
    const LayerParameters &source = parameters.layers[index];
    LayerTables<T> &layer = model.layers[index];
    for (int k = 0; k < width; k++) energy[k] += source.readout[k];
    const Numbers to_energy = multiply(source.update, energy, width, width, 1);
    const Numbers to_hidden = multiply(source.update, hidden, width, width, hidden_width);
    layer.to_energy =
        pack_blocks({matrix(to_energy, 0, 1, width)}, 1, model.n_channels, a.energy_scale);
    const Block block = matrix(to_hidden, 0, width, hidden_width);
    layer.to_hidden = pack_blocks({block}, model.n_channels, model.hidden_width);
    layer.to_hidden_t = pack_blocks({transpose(block)}, model.hidden_width, model.n_channels);
    if (index == 0) break;
    energy = multiply(source.skip, energy, width, width, 1);
    hidden = multiply(source.skip, hidden, width, width, hidden_width);
  }
  model.hidden_to_energy = pack_blocks({matrix(parameters.second_readout, 0, 1, hidden_width)}, 1,
                                       model.hidden_width, a.energy_scale);
}

template <typename T> double Tables<T>::bytes() const
{
  double total = 0.0;
  for (const auto &array : arrays) total += static_cast<double>(array.bytes());
  return total;
}

template class Tables<float>;
template class Tables<double>;

}    // namespace mlpot
