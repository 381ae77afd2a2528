/* SPDX-License-Identifier: MIT

   The manifest of a model file (extra/mlpot.json), as far as engines need it, with the self-test: a periodic
   structure and the results that every engine must reproduce. */

#ifndef MLPOT_MANIFEST_H
#define MLPOT_MANIFEST_H

#include "engine_api.h"
#include "error_bars.h"
#include "model_file.h"

#include <functional>
#include <string>
#include <vector>

namespace mlpot {

/* The only format that is read; mlpot/model_file/manifest.py has the same. */
constexpr int FORMAT_VERSION = 9;

/* Largest relative deviation in the self-test; mlpot/model_file/torchscript.py has the same. */
inline double allowed_deviation(const std::string &precision)
{
  return precision == "double" ? 1e-9 : 2e-4;
}

struct ReferenceResults {
  double energy;                         // eV
  std::vector<double> forces, virial;    // eV/A, eV
};

struct SelfTest : ReferenceResults {
  std::vector<int> species;
  std::vector<double> positions, cell;      // A, row major; cell vectors are rows
  std::vector<ReferenceResults> members;    // of a committee
};

struct Manifest {
  double cutoff;
  int n_layers, message_width;
  std::vector<int> atomic_numbers;
  std::string precision;    // of the training: "mixed" or "double"
  SelfTest self_test;
  bool is_deep;    // committee of complete models
  ErrorBars error_bars;
};

/* Throws std::runtime_error, also for files of a newer format. */
Manifest read_manifest(const ModelFile &file);

/* Description for the host; points into its arguments. */
mlpot_description describe(const Manifest &manifest, const char *engine, const char *precision,
                           int n_threads);

using Compute =
    std::function<void(const mlpot_atoms &, const mlpot_communicator &, mlpot_result &)>;

/* Runs the self-test structure through an engine; throws std::runtime_error if the numbers disagree, those of the
   members included where the engine can give them. */
void check_self_test(const Manifest &manifest, const std::string &precision, bool with_members,
                     const Compute &compute);

}    // namespace mlpot

#endif
