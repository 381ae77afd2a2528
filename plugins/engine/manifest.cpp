/* SPDX-License-Identifier: MIT */

#include "manifest.h"

#include "json.h"

#include <algorithm>
#include <stdexcept>

namespace mlpot {

namespace {

  ReferenceResults read_results(const Json &json, std::size_t size)
  {
    const ReferenceResults results = {json.at("energy").number(), json.at("forces").numbers(),
                                      json.at("virial").numbers()};
    if (results.forces.size() != size || results.virial.size() != 9)
      throw std::runtime_error("the self-test structure has arrays of different lengths");
    return results;
  }

  SelfTest read_self_test(const Json &json, const std::vector<int> &atomic_numbers)
  {
    SelfTest self_test;
    for (const Json &number : json.at("numbers").items()) {
      const auto found = std::find(atomic_numbers.begin(), atomic_numbers.end(), number.integer());
      if (found == atomic_numbers.end())
        throw std::runtime_error("the self-test structure has an element that the model lacks");
      self_test.species.push_back(static_cast<int>(found - atomic_numbers.begin()));
    }
    self_test.positions = json.at("positions").numbers();
    self_test.cell = json.at("cell").numbers();
    const std::size_t size = 3 * self_test.species.size();
    if (self_test.positions.size() != size || self_test.cell.size() != 9)
      throw std::runtime_error("the self-test structure has arrays of different lengths");
    static_cast<ReferenceResults &>(self_test) = read_results(json, size);
    if (json.has("members"))
      for (const Json &member : json.at("members").items())
        self_test.members.push_back(read_results(member, size));
    return self_test;
  }

  bool is_deep(const std::string &kind)
  {
    if (kind != "deep" && kind != "shallow")
      throw std::runtime_error("a committee must be shallow or deep, got " + kind);
    return kind == "deep";
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
    manifest.self_test = read_self_test(json.at("self_test"), manifest.atomic_numbers);
    manifest.error_bars = ErrorBars(json, static_cast<int>(manifest.atomic_numbers.size()));
    const auto n_members = static_cast<std::size_t>(manifest.error_bars.n_members);
    manifest.is_deep = n_members > 1 && is_deep(json.at("committee").at("kind").string());
    if (manifest.self_test.members.size() != (n_members > 1 ? n_members : 0))
      throw std::runtime_error(
          "the self-test structure must have the results of each member of the committee");
    return manifest;
  }

}    // namespace

Manifest read_manifest(const ModelFile &file)
{
  int format;
  try {
    const Json json = Json::parse(std::string(file.member("extra/mlpot.json")));
    format = json.at("format_version").integer();
    if (format == FORMAT_VERSION) return interpret(json);
  } catch (const std::runtime_error &error) {
    throw std::runtime_error("model file " + file.path() + " has no readable manifest (" +
                             error.what() + ")");
  }
  throw std::runtime_error("model file " + file.path() + " has format " + std::to_string(format) +
                           "; this mlpot reads format " + std::to_string(FORMAT_VERSION) +
                           (format < FORMAT_VERSION
                                ? ": train it again, models compute something else now"
                                : ": upgrade mlpot"));
}

mlpot_description describe(const Manifest &manifest, const char *engine, const char *precision,
                           int n_threads)
{
  const ErrorBars &bars = manifest.error_bars;
  return {engine,
          precision,
          manifest.cutoff,
          static_cast<int>(manifest.atomic_numbers.size()),
          manifest.atomic_numbers.data(),
          manifest.n_layers,
          manifest.message_width,
          bars.n_members,
          bars.has_distance,
          bars.forces_calibrated(),
          bars.energy_calibrated(),
          n_threads,
          false};
}

}    // namespace mlpot
