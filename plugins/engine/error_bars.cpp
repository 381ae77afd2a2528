/* SPDX-License-Identifier: MIT */

#include "error_bars.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace mlpot {

namespace {

  constexpr int MAX_MEMBERS = 1000;

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
    if (!(number >= 2 && number <= MAX_MEMBERS) || number != std::floor(number))
      throw std::runtime_error("a committee must have 2 to " + std::to_string(MAX_MEMBERS) +
                               " members");
    n_members = static_cast<int>(number);
  }
  if (!is_there("calibration")) return;
  if (n_members == 1)
    throw std::runtime_error("the calibration requires a committee, and there is none");
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
      throw std::runtime_error("the calibration requires a feature distance, and there is none");
    distance_limit = positive_numbers(forces.at("distance_limit"), "distance_limit").at(0);
  }
  if (!calibration.has("energy") || calibration.at("energy").is_null()) return;
  const std::vector<double> scale = positive_numbers(calibration.at("energy").at("scale"), "scale");
  if (scale.size() != 1)
    throw std::runtime_error("the calibration must have one scale of the energy");
  energy_scale = scale[0];
}

void ErrorBars::check(bool needs_calibration, bool calibrated, const char *what) const
{
  if (n_members == 1)
    throw std::runtime_error(
        "a single model has no members to take a standard deviation of; a committee is required");
  if (needs_calibration && !calibrated)
    throw std::runtime_error(std::string("the model has no error bars of the ") + what +
                             ": run mlpot calibrate");
}

/* Variance over the members, with divisor M - 1. */
double ErrorBars::member_variance(const double *first, std::size_t stride) const
{
  double mean = 0.0, squares = 0.0;
  for (int m = 0; m < n_members; m++) mean += first[m * stride];
  mean /= n_members;
  for (int m = 0; m < n_members; m++) {
    const double deviation = first[m * stride] - mean;
    squares += deviation * deviation;
  }
  return squares / (n_members - 1);
}

void ErrorBars::of_forces(const MemberForces &forces, double *ensemble_std,
                          double *error_bars) const
{
  check(error_bars, forces_calibrated(), "forces");
  if (error_bars && distance_limit > 0.0 && !forces.distance_sums)
    throw std::runtime_error("error bars of forces require the feature distances of the atoms");
  for (int i = 0; i < forces.n_atoms; i++) {
    const int species = forces.species[i];
    const double *values = forces.values + 3 * static_cast<std::size_t>(i);
    double variance = 0.0;
    for (int a = 0; species >= 0 && a < 3; a++)
      variance += member_variance(values + a, 3 * forces.stride);
    const double deviation = std::sqrt(variance / 3.0);
    if (ensemble_std) ensemble_std[i] = deviation;
    if (!error_bars) continue;
    error_bars[i] = species < 0 ? 0.0 : force_scale[species] * deviation;
    if (species < 0 || distance_limit == 0.0) continue;
    const double distance = neighborhood_distance(forces.distance_sums + 2 * i);
    error_bars[i] = force_scale[species] * std::sqrt(deviation) * distance *
        std::max(1.0, distance / distance_limit);
  }
}

void ErrorBars::of_energy(const double *energies, double *ensemble_std, double *error_bar) const
{
  check(error_bar, energy_calibrated(), "energy");
  const double deviation = std::sqrt(member_variance(energies, 1));
  if (ensemble_std) *ensemble_std = deviation;
  if (error_bar) *error_bar = energy_scale * deviation;
}

}    // namespace mlpot
