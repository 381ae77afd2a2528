/* SPDX-License-Identifier: MIT

   A model as read from its file: the architecture, and the plain tensors of mlpot/model with the
   shapes that follow from it, in double precision. folded.h and tables.h make the tables of the kernels. */

#ifndef MLPOT_PARAMETERS_H
#define MLPOT_PARAMETERS_H

#include "manifest.h"
#include "model/tensors.h"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace mlpot {

using Numbers = std::vector<double>;

struct Architecture {
  double cutoff, distance_transform;
  int n_layers, n_channels, lmax, correlation, vector_correlation, n_radial, envelope_power;
  int message_channels, message_lmax, readout_width, n_species;
  int embedding;             // length of those of the elements; 0: each has weights of its own
  int n_radial_functions;    // of each element, with an embedding
  double energy_scale, average_neighbors;

  int n_harmonics() const { return (lmax + 1) * (lmax + 1); }
};

/* One power of the products: product k is lower[previous[k]] times density[factor[k]]. */
struct ProductLevel {
  std::vector<std::int64_t> previous, factor;
};

/* Generalized Clebsch-Gordan coefficients of one power and one degree, and their weights. */
struct CouplingBlock {
  int power, degree;
  std::size_t n_couplings, n_monomials;    // n_monomials: of the widest component
  Numbers coefficients;                    // [component][coupling][monomial]
  Numbers weights;                         // [coupling][species][channel]

  double coefficient(std::size_t component, std::size_t coupling, std::size_t monomial) const
  {
    return coefficients[(component * n_couplings + coupling) * n_monomials + monomial];
  }
};

struct LayerParameters {
  Numbers species_mix;     // first layer: [species][species of the neighbor][l][radial][channel]
  Numbers radial_mix;      // or, with an embedding, [species of the neighbor][radial][function] ...
  Numbers function_mix;    // ... and [species][l][function][channel]
  Numbers radial;          // later ones: [radial][l1][l2][message channel]
  std::vector<Numbers> path_mix;    // [L] -> [species][path][message channel][channel]
  Numbers coupling;                 // Clebsch-Gordan: [L M path][l1 m1][l2 m2]
  std::vector<int> n_paths;         // [L]
  int output_lmax;
  std::vector<ProductLevel> levels;
  std::vector<CouplingBlock> blocks;    // powers from 1 on, degrees fastest
  Numbers update, skip;                 // [species][channel][channel]
  Numbers message;                      // [species][l][channel][message channel]
  Numbers message_embedding;            // [species][message channel]
  Numbers readout;                      // [channel]
  Numbers max_density;    // [species]: mean square of the atomic basis; several layers
};

struct Parameters {
  Architecture architecture;
  Numbers reference_energies;    // [species], eV
  Numbers charge, radius;        // [species]; empty without ZBL repulsion
  std::vector<LayerParameters> layers;
  Numbers first_readout;     // [hidden][channel]
  Numbers second_readout;    // [hidden]

  Numbers deviations;                      // shallow committees: [member][descriptor]
  std::vector<std::int64_t> n_clusters;    // [species]; empty: no feature distance
  Numbers distance_mean;                   // [species with clusters][descriptor]
  Numbers distance_whitening;    // [species with clusters][entry], rows of a lower triangle
  Numbers cluster_mean;          // [cluster][descriptor]: of whitened descriptors, by species
  std::vector<float> cluster_whitening;    // [cluster][entry], rows of a lower triangle

  /* Features of each layer, and the hidden values of the last readout. */
  std::size_t n_descriptors() const
  {
    const Architecture &a = architecture;
    return static_cast<std::size_t>(a.n_layers) * a.n_channels + a.readout_width;
  }
};

/* The members of a deep committee; one entry for any other model. The first one holds the feature distance.
   Throws std::runtime_error with a message for the user. */
std::vector<Parameters> read_members(const ModelFile &file, const Manifest &manifest);

/* Weights of the density for each pair of elements instead of radial functions of each element: the same density,
   which costs less for one element, more for many. */
void pair_weights(Parameters &parameters);

/* Bounds of the numbers in the configuration of a model, as in mlpot.config.ModelConfig. */
struct Limits {
  double least, most;
};
const std::map<std::string, Limits> &architecture_limits();

/* A single model, from its manifest and its tensors. */
Parameters read_parameters(const std::string &manifest, const Tensors &tensors);

}    // namespace mlpot

#endif
