/* SPDX-License-Identifier: MIT */

#include "manifest.h"

#include "json.h"

#include <algorithm>
#include <stdexcept>

namespace mlpot {

namespace {

  constexpr int FORMAT_VERSION = 2;

  Probe read_probe(const Json &json, const std::vector<int> &atomic_numbers)
  {
    Probe probe;
    for (const Json &number : json.at("numbers").items()) {
      const auto found = std::find(atomic_numbers.begin(), atomic_numbers.end(), number.integer());
      if (found == atomic_numbers.end())
        throw std::runtime_error("the probe has a foreign element");
      probe.species.push_back(static_cast<int>(found - atomic_numbers.begin()));
    }
    probe.positions = json.at("positions").numbers();
    probe.cell = json.at("cell").numbers();
    probe.energy = json.at("energy").number();
    probe.forces = json.at("forces").numbers();
    probe.virial = json.at("virial").numbers();
    const std::size_t size = 3 * probe.species.size();
    if (probe.positions.size() != size || probe.forces.size() != size || probe.cell.size() != 9 ||
        probe.virial.size() != 9)
      throw std::runtime_error("the probe has arrays of different lengths");
    return probe;
  }

  Manifest interpret(const Json &json)
  {
    Manifest manifest;
    manifest.cutoff = json.at("cutoff").number();
    manifest.n_layers = json.at("n_layers").integer();
    manifest.message_width = json.at("message_width").integer();
    manifest.precision = json.at("precision").string();
    for (const double z : json.at("atomic_numbers").numbers())
      manifest.atomic_numbers.push_back(static_cast<int>(z));
    manifest.probe = read_probe(json.at("probe"), manifest.atomic_numbers);
    return manifest;
  }

}    // namespace

Manifest read_manifest(const ModelFile &file)
{
  int format;
  try {
    const Json json = Json::parse(file.member("extra/mlpot.json"));
    format = json.at("format_version").integer();
    if (format <= FORMAT_VERSION) return interpret(json);
  } catch (const std::runtime_error &error) {
    throw std::runtime_error("model file " + file.path() + " has no readable manifest (" +
                             error.what() + ")");
  }
  throw std::runtime_error("model file " + file.path() + " has format " + std::to_string(format) +
                           "; this mlpot reads formats up to " + std::to_string(FORMAT_VERSION) +
                           ": upgrade mlpot");
}

}    // namespace mlpot
