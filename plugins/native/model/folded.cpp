/* SPDX-License-Identifier: MIT */

#include "model/folded.h"

#include "model/matrices.h"

#include <cmath>

namespace mlpot {

namespace {

  /* Weights of degree l times factor / sqrt(2 l + 1), as in mlpot/model/density.py; `behind` values share an l. */
  Numbers scaled_by_degree(Numbers values, const Architecture &a, std::size_t behind, double factor)
  {
    for (std::size_t k = 0; k < values.size(); k++) {
      const auto l = static_cast<double>(k / behind % (a.lmax + 1));
      values[k] *= factor / std::sqrt(2.0 * l + 1.0);
    }
    return values;
  }

  void append(Numbers &all, const Numbers &more)
  {
    all.insert(all.end(), more.begin(), more.end());
  }

  /* Linear maps from the product basis of each layer to energy and hidden values. */
  struct Readouts {
    std::vector<Numbers> to_energy, to_hidden;    // [layer] -> [species]...

    /* From the last layer back: `energy` (channel) and `hidden` (channel x hidden) are the maps that follow h_t. */
    explicit Readouts(const Parameters &parameters) :
        to_energy(parameters.layers.size()), to_hidden(parameters.layers.size())
    {
      for (int species = 0; species < parameters.architecture.n_species; species++)
        add(parameters, species);
    }

   private:
    void add(const Parameters &parameters, int species)
    {
      const Architecture &a = parameters.architecture;
      const int width = a.n_channels, hidden_width = a.readout_width;
      Numbers energy(width, 0.0), hidden(static_cast<std::size_t>(width) * hidden_width);
      for (int k = 0; k < width; k++)
        for (int j = 0; j < hidden_width; j++)
          hidden[k * hidden_width + j] = parameters.first_readout[j * width + k];
      for (int index = a.n_layers - 1; index >= 0; index--) {
        const LayerParameters &layer = parameters.layers[index];
        for (int k = 0; k < width; k++) energy[k] += layer.readout[k];
        const Numbers update = part(layer.update, species, a.n_species);
        append(to_energy[index], scaled(multiply(update, energy, width, width, 1), a.energy_scale));
        append(to_hidden[index], multiply(update, hidden, width, width, hidden_width));
        if (index == 0) break;
        const Numbers skip = part(layer.skip, species, a.n_species);
        energy = multiply(skip, energy, width, width, 1);
        hidden = multiply(skip, hidden, width, width, hidden_width);
      }
    }
  };

}    // namespace

std::vector<Numbers> fold(const Parameters &parameters)
{
  const Architecture &a = parameters.architecture;
  const Readouts readouts(parameters);
  std::vector<Numbers> arrays;
  for (int index = 0; index < a.n_layers; index++) {
    const LayerParameters &layer = parameters.layers[index];
    if (index == 0) {
      const bool pairs = layer.radial_mix.empty();
      if (!pairs) arrays.push_back(layer.radial_mix);
      const std::size_t rows = pairs ? a.n_radial : a.n_radial_functions;
      arrays.push_back(scaled_by_degree(pairs ? layer.species_mix : layer.function_mix, a,
                                        rows * a.n_channels, 1.0 / std::sqrt(a.average_neighbors)));
    } else
      arrays.push_back(
          scaled_by_degree(layer.radial, a, (a.message_lmax + 1) * a.message_channels, 1.0));
    for (const Numbers &mix : layer.path_mix) arrays.push_back(mix);
    arrays.push_back(readouts.to_energy[index]);
    arrays.push_back(readouts.to_hidden[index]);
    if (index == a.n_layers - 1) break;
    arrays.push_back(layer.message);
    arrays.push_back(layer.message_embedding);
  }
  arrays.push_back(scaled(parameters.second_readout, a.energy_scale));
  return arrays;
}

}    // namespace mlpot
