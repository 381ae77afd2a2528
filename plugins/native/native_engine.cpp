/* SPDX-License-Identifier: MIT */

#include "native_engine.h"

#include "evaluator.h"
#include "model/parameters.h"

#include <stdexcept>

namespace mlpot {

namespace {

  std::string choose_precision(const std::string &requested, const std::string &trained)
  {
    const std::string precision = requested.empty() ? trained : requested;
    if (precision != "mixed" && precision != "double")
      throw std::runtime_error("precision must be mixed or double, got " + precision);
    return precision;
  }

  std::unique_ptr<Evaluator> make_evaluator(const std::string &precision,
                                            std::vector<Parameters> members, int n_threads)
  {
    if (precision == "double")
      return std::make_unique<ModelEvaluator<double>>(std::move(members), n_threads);
    return std::make_unique<ModelEvaluator<float>>(std::move(members), n_threads);
  }

}    // namespace

std::unique_ptr<Engine> make_engine(const mlpot_settings &settings, const ModelFile &file)
{
  return std::make_unique<NativeEngine>(settings, file);
}

NativeEngine::NativeEngine(const mlpot_settings &settings, const ModelFile &file) :
    file_manifest(read_manifest(file)), name(std::string("native (") + choose_kernels().name + ")"),
    precision(choose_precision(settings.precision, file_manifest.precision))
{
  if (std::string(settings.device) != "cpu")
    throw std::runtime_error("the native engine runs on the cpu; for device " +
                             std::string(settings.device) + " choose engine torch");
  try {
    load(file, settings.n_threads);
  } catch (const std::runtime_error &error) {
    throw std::runtime_error("model file " + file.path() +
                             " cannot be run by the native engine: " + error.what());
  }
}

void NativeEngine::load(const ModelFile &file, int n_threads)
{
  std::vector<Parameters> members = read_members(file, file_manifest);
  const Architecture &a = members[0].architecture;
  if (a.cutoff != file_manifest.cutoff || a.n_layers != file_manifest.n_layers)
    throw std::runtime_error("its manifest contradicts itself");
  evaluator = make_evaluator(precision, std::move(members), n_threads);
  check_self_test(
      file_manifest, precision, true,
      [this](const mlpot_atoms &atoms, const mlpot_communicator &comm, mlpot_result &result) {
        compute(atoms, comm, result);
      });
}

mlpot_description NativeEngine::describe() const
{
  return mlpot::describe(file_manifest, name.c_str(), precision.c_str(), evaluator->n_threads());
}

/* Throws if the model file lacks what a requested result needs. */
void NativeEngine::refuse(const mlpot_result &result) const
{
  if (requests_members(result) && file_manifest.error_bars.n_members == 1)
    throw std::runtime_error("the model is no committee: it has no members");
  if ((result.feature_distances || result.distance_sums) && !file_manifest.error_bars.has_distance)
    throw std::runtime_error("the model file has no feature distance");
}

void NativeEngine::compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
                           mlpot_result &result)
{
  require_host_memory(atoms, result);
  refuse(result);
  evaluator->compute({strided_list.with_rows(atoms), nullptr, nullptr, nullptr, nullptr}, comm,
                     result);
}

void NativeEngine::compute_alone(const NativeAtoms &atoms, mlpot_result &result)
{
  refuse(result);
  evaluator->compute(atoms, {nullptr, nullptr, nullptr}, result);
}

}    // namespace mlpot
