/* SPDX-License-Identifier: MIT */

#include "model/parameters.h"

#include "kernels/kernel.h"
#include "model/matrices.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>

namespace mlpot {

namespace {

  constexpr std::int64_t MAX_CLUSTERS = 1000000;    // of an element: keeps sums of them exact

  double within_limits(const Json &json, const std::string &name, bool whole)
  {
    const Limits limits = architecture_limits().at(name);
    const double value = json.at(name).number();
    if (value >= limits.least && value <= limits.most && (!whole || value == std::floor(value)))
      return value;
    char text[120];
    std::snprintf(text, sizeof(text), "%s must be a %snumber from %g to %g, got %g", name.c_str(),
                  whole ? "whole " : "", limits.least, limits.most, value);
    throw std::runtime_error(text);
  }

  int integer(const Json &json, const std::string &name)
  {
    return static_cast<int>(within_limits(json, name, true));
  }

  double positive(const Json &json, const char *name)
  {
    const double value = json.at(name).number();
    if (!(value > 0.0 && std::isfinite(value)))
      throw std::runtime_error(std::string(name) + " must be positive");
    return value;
  }

  Architecture read_architecture(const Json &manifest)
  {
    const Json &config = manifest.at("config");
    Architecture a;
    a.cutoff = positive(config, "cutoff");
    a.n_layers = integer(config, "n_layers");
    a.n_channels = integer(config, "n_channels");
    a.lmax = integer(config, "lmax");
    a.correlation = integer(config, "correlation");
    a.n_radial = integer(config, "n_radial");
    a.envelope_power = integer(config, "envelope_power");
    a.distance_transform = within_limits(config, "distance_transform", false);
    a.message_channels = integer(config, "message_channels");
    a.message_lmax = integer(config, "message_lmax");
    a.readout_width = integer(config, "readout_width");
    a.vector_correlation =
        a.n_layers > 1 && a.message_lmax > 0 ? integer(config, "vector_correlation") : 0;
    a.n_species = static_cast<int>(manifest.at("atomic_numbers").items().size());
    a.embedding = config.at("species_embedding").is_null() ? 0
                                                           : integer(config, "species_embedding");
    a.n_radial_functions = a.embedding > 0 ? integer(config, "n_radial_functions") : 0;
    a.energy_scale = positive(manifest, "energy_scale");
    a.average_neighbors = positive(manifest, "average_neighbors");
    if (a.n_species < 1 || a.n_species > 118)
      throw std::runtime_error("there must be 1 to 118 elements");
    return a;
  }

  bool is_path(int l1, int l2, int L)
  {
    return std::abs(l1 - l2) <= L && L <= l1 + l2 && (l1 + l2 + L) % 2 == 0;
  }

  class Reader {
   public:
    /* `path`: prefix of the names of all tensors. */
    Reader(const Tensors &tensors, const Architecture &architecture, const std::string &path) :
        tensors(tensors), a(architecture), path(path)
    {
    }

    LayerParameters layer(int index)
    {
      prefix = path + "layers." + std::to_string(index) + ".";
      LayerParameters layer;
      const bool last = index == a.n_layers - 1;
      const std::int64_t width = a.n_channels, messages = last ? 0 : a.message_channels;
      layer.output_lmax = last ? 0 : a.message_lmax;
      embedding = elements("embedding");
      if (index == 0)
        read_density(layer);
      else
        read_message_density(layer);
      read_contraction(layer);
      layer.update = of_elements("update", {width, width});
      if (index > 0) layer.skip = of_elements("skip", {width, width});
      layer.message = of_elements("message", {last ? 0 : a.message_lmax + 1, width, messages});
      layer.message_embedding = numbers("message_embedding", {a.n_species, messages});
      layer.readout = numbers("readout", {width});
      if (a.n_layers > 1) layer.max_density = numbers("max_density", {a.n_species});
      return layer;
    }

   private:
    const Tensors &tensors;
    const Architecture &a;
    const std::string path;
    std::string prefix;
    Numbers embedding;    // of the elements of centers, in this layer

    Numbers numbers(const std::string &name, const Shape &shape) const
    {
      return tensors.numbers(prefix + name, shape);
    }

    Numbers elements(const std::string &name) const
    {
      return a.embedding > 0 ? numbers(name, {a.n_species, a.embedding}) : Numbers();
    }

    /* [species]...: weights of each element, or mixtures of shared ones. */
    Numbers of_elements(const std::string &name, Shape shape) const
    {
      return of_elements(name, std::move(shape), embedding);
    }
    Numbers of_elements(const std::string &name, Shape shape, const Numbers &factors) const
    {
      shape.insert(shape.begin(), a.embedding > 0 ? a.embedding : a.n_species);
      const Numbers weights = numbers(name, shape);
      if (a.embedding == 0) return weights;
      const auto size = static_cast<int>(weights.size() / a.embedding);
      return multiply(factors, weights, a.n_species, a.embedding, size);
    }

    void read_density(LayerParameters &layer) const
    {
      if (a.embedding == 0) {
        layer.species_mix = numbers(
            "density.mix", {a.n_species, a.n_species, a.lmax + 1, a.n_radial, a.n_channels});
        return;
      }
      layer.radial_mix = of_elements("density.radial", {a.n_radial, a.n_radial_functions},
                                     elements("density.embedding"));
      layer.function_mix =
          of_elements("density.mix", {a.lmax + 1, a.n_radial_functions, a.n_channels});
    }

    void read_message_density(LayerParameters &layer) const
    {
      const std::int64_t channels = a.message_channels, degrees = a.message_lmax + 1;
      layer.radial = numbers("density.radial", {a.n_radial, (a.lmax + 1) * degrees * channels});
      std::int64_t rows = 0;
      for (int L = 0; L <= a.lmax; L++) {
        int paths = 0;
        for (int l1 = 0; l1 <= a.lmax; l1++)
          for (int l2 = 0; l2 < degrees; l2++) paths += is_path(l1, l2, L);
        layer.n_paths.push_back(paths);
        layer.path_mix.push_back(
            of_elements("density.mix." + std::to_string(L), {paths * channels, a.n_channels}));
        rows += (2 * L + 1) * paths;
      }
      layer.coupling = numbers("density.coupling", {rows, a.n_harmonics() * degrees * degrees});
    }

    void read_contraction(LayerParameters &layer) const
    {
      const std::string name = "contraction.";
      for (int power = 0; power < a.correlation; power++) {
        const std::string level = prefix + name + "levels." + std::to_string(power) + ".";
        const Shape shape = tensors.shape(level + "previous");
        layer.levels.push_back({tensors.integers(level + "previous", shape),
                                tensors.integers(level + "factor", shape)});
      }
      for (int power = 1; power <= a.correlation; power++)
        for (int degree = 0; degree <= layer.output_lmax; degree++)
          if (degree == 0 || power <= a.vector_correlation)
            layer.blocks.push_back(coupling_block(
                name + "couplings." + std::to_string(layer.blocks.size()) + ".", power, degree));
    }

    CouplingBlock coupling_block(const std::string &name, int power, int degree) const
    {
      const Shape shape = tensors.shape(prefix + name + "coefficients");
      if (shape.size() != 3) throw std::runtime_error("couplings must have three indices");
      return {power,
              degree,
              static_cast<std::size_t>(shape[1]),
              static_cast<std::size_t>(shape[2]),
              numbers(name + "coefficients", {2 * degree + 1, shape[1], shape[2]}),
              coupling_weights(name + "weights", static_cast<int>(shape[1]))};
    }

    /* [coupling][species][channel] */
    Numbers coupling_weights(const std::string &name, int n_couplings) const
    {
      const int n_weights = a.embedding > 0 ? a.embedding : a.n_species;
      const Numbers weights = numbers(name, {n_couplings, n_weights, a.n_channels});
      if (a.embedding == 0) return weights;
      Numbers result;
      for (int n = 0; n < n_couplings; n++) {
        const Numbers own = multiply(embedding, part(weights, n, n_couplings), a.n_species,
                                     a.embedding, a.n_channels);
        result.insert(result.end(), own.begin(), own.end());
      }
      return result;
    }
  };

  void read_zbl(const Tensors &tensors, const Json &config, const std::string &path,
                Parameters &parameters)
  {
    if (!config.at("zbl").boolean()) return;
    const std::int64_t n_species = parameters.architecture.n_species;
    parameters.charge = tensors.numbers(path + "repulsion.charge", {n_species});
    parameters.radius = tensors.numbers(path + "repulsion.radius", {n_species});
  }

  /* One potential; the names of its tensors start with `path`. */
  Parameters read_potential(const Json &manifest, const Tensors &tensors, const std::string &path)
  {
    Parameters parameters;
    parameters.architecture = read_architecture(manifest);
    const Architecture &a = parameters.architecture;
    parameters.reference_energies = manifest.at("reference_energies").numbers();
    if (parameters.reference_energies.size() != static_cast<std::size_t>(a.n_species))
      throw std::runtime_error("there must be one reference energy for each element");
    Reader reader(tensors, a, path);
    for (int n = 0; n < a.n_layers; n++) parameters.layers.push_back(reader.layer(n));
    read_zbl(tensors, manifest.at("config"), path, parameters);
    const std::string last = path + "layers." + std::to_string(a.n_layers - 1) + ".";
    parameters.first_readout =
        tensors.numbers(last + "readout_hidden.weight", {a.readout_width, a.n_channels});
    parameters.second_readout =
        tensors.numbers(last + "readout_output.weight", {1, a.readout_width});
    return parameters;
  }

  /* Members share one ZBL repulsion. */
  void check_alike(const Parameters &first, const Parameters &other)
  {
    if (first.charge != other.charge || first.radius != other.radius)
      throw std::runtime_error("the members of its committee have different ZBL repulsions");
  }

  void read_distance(const Tensors &tensors, Parameters &parameters)
  {
    const auto width = static_cast<std::int64_t>(parameters.n_descriptors());
    const std::int64_t triangle = width * (width + 1) / 2;
    parameters.n_clusters =
        tensors.integers("distance.n_clusters", {parameters.architecture.n_species});
    std::int64_t n_known = 0, n_clusters = 0;
    for (const std::int64_t count : parameters.n_clusters) {
      if (count < 0 || count > MAX_CLUSTERS)
        throw std::runtime_error("an element must have 0 to " + std::to_string(MAX_CLUSTERS) +
                                 " clusters of the feature distance, got " + std::to_string(count));
      n_known += count > 0;
      n_clusters += count;
    }
    parameters.distance_mean = tensors.numbers("distance.mean", {n_known, width});
    parameters.distance_whitening = tensors.numbers("distance.whitening", {n_known, triangle});
    parameters.cluster_mean = tensors.numbers("distance.cluster_mean", {n_clusters, width});
    parameters.cluster_whitening =
        tensors.single_numbers("distance.cluster_whitening", {n_clusters, triangle});
  }

}    // namespace

const std::map<std::string, Limits> &architecture_limits()
{
  static const std::map<std::string, Limits> limits = {
      {"n_layers", {1, MAX_LAYERS}},   {"n_channels", {1, 1024}},
      {"lmax", {0, MAX_DEGREES - 1}},  {"correlation", {1, 4}},
      {"vector_correlation", {1, 4}},  {"n_radial", {1, 32}},
      {"distance_transform", {0, 8}},  {"envelope_power", {3, 12}},
      {"species_embedding", {1, 256}}, {"n_radial_functions", {1, 64}},
      {"message_channels", {1, 256}},  {"message_lmax", {0, MAX_MESSAGE_DEGREES - 1}},
      {"readout_width", {1, 512}},
  };
  return limits;
}

void pair_weights(Parameters &parameters)
{
  Architecture &a = parameters.architecture;
  LayerParameters &layer = parameters.layers[0];
  if (layer.radial_mix.empty()) return;
  const int n = a.n_species, degrees = a.lmax + 1, functions = a.n_radial_functions;
  for (int center = 0; center < n; center++)
    for (int neighbor = 0; neighbor < n; neighbor++)
      for (int l = 0; l < degrees; l++) {
        const Numbers mix = multiply(part(layer.radial_mix, neighbor, n),
                                     part(layer.function_mix, center * degrees + l, n * degrees),
                                     a.n_radial, functions, a.n_channels);
        layer.species_mix.insert(layer.species_mix.end(), mix.begin(), mix.end());
      }
  layer.radial_mix.clear();
  layer.function_mix.clear();
}

std::vector<Parameters> read_members(const ModelFile &file, const Manifest &manifest)
{
  const Json json = Json::parse(std::string(file.member("extra/mlpot.json")));
  const Tensors tensors(file);
  const int n_members = manifest.error_bars.n_members;
  std::vector<Parameters> members;
  for (int m = 0; m < (manifest.is_deep ? n_members : 1); m++) {
    const std::string path = manifest.is_deep ? "members." + std::to_string(m) + "." : "";
    members.push_back(read_potential(json, tensors, path));
    check_alike(members[0], members[m]);
    // members of a deep committee share the sums over neighbors
    if (manifest.is_deep || members[m].architecture.n_species == 1) pair_weights(members[m]);
  }
  Parameters &first = members[0];
  if (n_members > 1 && !manifest.is_deep)
    first.deviations = tensors.numbers(
        "deviations", {n_members, static_cast<std::int64_t>(first.n_descriptors())});
  if (manifest.error_bars.has_distance) read_distance(tensors, first);
  return members;
}

Parameters read_parameters(const std::string &manifest, const Tensors &tensors)
{
  return read_potential(Json::parse(manifest), tensors, "");
}

}    // namespace mlpot
