/* SPDX-License-Identifier: MIT */

#include "error_bars.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace {

  constexpr int MOST_MEMBERS = 1000;

  std::vector<double> positive_numbers(const Json &json, const char *what)
  {
    const std::vector<double> values = json.numbers();
    for (const double value : values)
      if (!(value > 0.0 && std::isfinite(value)))
        throw std::runtime_error(std::string("the calibration has a ") + what +
                                 " that is not a positive number");
    return values;
  }

}    // namespace

ErrorBars::ErrorBars(const Json &manifest, int n_elements)
{
  const auto is_there = [&manifest](const char *name) {
    return manifest.has(name) && !manifest.at(name).is_null();
  };
  has_distance = is_there("feature_distance");
  if (is_there("committee")) {
    const double number = manifest.at("committee").at("n_members").number();
    if (!(number >= 2 && number <= MOST_MEMBERS) || number != std::floor(number))
      throw std::runtime_error("a committee must have 2 to " + std::to_string(MOST_MEMBERS) +
                               " members");
    n_members = static_cast<int>(number);
  }
  if (!is_there("calibration")) return;
  if (n_members == 1) throw std::runtime_error("it has a calibration, but no committee");
  read_calibration(manifest.at("calibration"), n_elements);
}

void ErrorBars::read_calibration(const Json &calibration, int n_elements)
{
  const Json &forces = calibration.at("forces");
  force_scale = positive_numbers(forces.at("scale"), "scale");
  if (force_scale.size() == 1) force_scale.resize(n_elements, force_scale[0]);
  if (force_scale.size() != static_cast<std::size_t>(n_elements))
    throw std::runtime_error("the calibration must have one scale for each element");
  if (forces.has("distance_limit") && !forces.at("distance_limit").is_null()) {
    if (!has_distance)
      throw std::runtime_error("the calibration needs a feature distance, and there is none");
    distance_limit = positive_numbers(forces.at("distance_limit"), "distance_limit").at(0);
  }
  if (!calibration.has("energy") || calibration.at("energy").is_null()) return;
  const std::vector<double> scale = positive_numbers(calibration.at("energy").at("scale"), "scale");
  if (scale.size() != 1)
    throw std::runtime_error("the calibration must have one scale of the energy");
  energy_scale = scale[0];
}

void ErrorBars::check(bool wants_sigma, bool calibrated, const char *what) const
{
  if (n_members == 1)
    throw std::runtime_error("the model is a single one, not a committee: it has no spread");
  if (wants_sigma && !calibrated)
    throw std::runtime_error(std::string("the model gives no error bar of the ") + what +
                             ", only a spread: run mlpot calibrate");
}

/* Over the members, the first value of whom is given; divisor M - 1. */
double ErrorBars::variance_of(const double *values, std::size_t stride) const
{
  double mean = 0.0, squares = 0.0;
  for (int m = 0; m < n_members; m++) mean += values[m * stride];
  mean /= n_members;
  for (int m = 0; m < n_members; m++) {
    const double away = values[m * stride] - mean;
    squares += away * away;
  }
  return squares / (n_members - 1);
}

void ErrorBars::of_forces(const MemberForces &forces, double *spread, double *sigma) const
{
  check(sigma, forces_calibrated(), "forces");
  if (sigma && distance_limit > 0.0 && !forces.distance_sums)
    throw std::runtime_error("error bars of forces need the feature distances of the atoms");
  for (int i = 0; i < forces.n_atoms; i++) {
    const int species = forces.species[i];
    const double *values = forces.values + 3 * static_cast<std::size_t>(i);
    double own = 0.0;
    for (int a = 0; species >= 0 && a < 3; a++) own += variance_of(values + a, 3 * forces.stride);
    own = std::sqrt(own / 3.0);
    if (spread) spread[i] = own;
    if (!sigma) continue;
    sigma[i] = species < 0 ? 0.0 : force_scale[species] * own;
    if (species < 0 || distance_limit == 0.0) continue;
    const double away = neighborhood_distance(forces.distance_sums + 2 * i);
    sigma[i] = force_scale[species] * std::sqrt(own) * away * std::max(1.0, away / distance_limit);
  }
}

void ErrorBars::of_energy(const double *energies, double *spread, double *sigma) const
{
  check(sigma, energy_calibrated(), "energy");
  const double own = std::sqrt(variance_of(energies, 1));
  if (spread) *spread = own;
  if (sigma) *sigma = energy_scale * own;
}

}    // namespace mlpot
