/* SPDX-License-Identifier: MIT

   Entry points of an engine library; exceptions become messages. */

#include "engine.h"

#include <cstdio>
#include <exception>
#include <new>

namespace {

template <typename Action> int guarded(mlpot_message *message, const Action &action)
{
  const char *text = "an unknown error";
  try {
    action();
    return 0;
  } catch (const std::bad_alloc &) {
    text = "not enough memory; use more machines or a smaller system";
  } catch (const std::exception &error) {
    std::snprintf(message->text, message->size, "%s", error.what());
    return 1;
  } catch (...) {
  }
  std::snprintf(message->text, message->size, "%s", text);
  return 1;
}

mlpot::Engine *unwrap(mlpot_engine *engine)
{
  return reinterpret_cast<mlpot::Engine *>(engine);
}

mlpot_engine *create(const mlpot_settings *settings, mlpot_description *description,
                     mlpot_message *message)
{
  std::unique_ptr<mlpot::Engine> engine;
  const int failed = guarded(message, [&] {
    const std::string content(settings->model, settings->model_size);
    engine = mlpot::make_engine(*settings, mlpot::ModelFile(settings->model_path, content));
    *description = engine->describe();
  });
  return failed ? nullptr : reinterpret_cast<mlpot_engine *>(engine.release());
}

int compute(mlpot_engine *engine, const mlpot_atoms *atoms, const mlpot_communicator *comm,
            mlpot_result *result, mlpot_message *message)
{
  return guarded(message, [&] {
    unwrap(engine)->compute(*atoms, *comm, *result);
  });
}

const mlpot::Engine *unwrap(const mlpot_engine *engine)
{
  return reinterpret_cast<const mlpot::Engine *>(engine);
}

double memory_usage(const mlpot_engine *engine)
{
  return unwrap(engine)->memory_usage();
}

int force_uncertainty(const mlpot_engine *engine, int n_atoms, const int *species,
                      const double *member_forces, std::size_t stride, const double *distance_sums,
                      double *ensemble_std, double *error_bars, mlpot_message *message)
{
  return guarded(message, [&] {
    unwrap(engine)->manifest().error_bars.of_forces(
        {n_atoms, species, member_forces, stride, distance_sums}, ensemble_std, error_bars);
  });
}

int energy_uncertainty(const mlpot_engine *engine, const double *member_energies,
                       double *ensemble_std, double *error_bars, mlpot_message *message)
{
  return guarded(message, [&] {
    unwrap(engine)->manifest().error_bars.of_energy(member_energies, ensemble_std, error_bars);
  });
}

void destroy(mlpot_engine *engine)
{
  delete unwrap(engine);
}

}    // namespace

extern "C" __attribute__((visibility("default"))) const mlpot_engine_api *mlpot_engine_get_api()
{
  static const mlpot_engine_api api = {
      MLPOT_ENGINE_API_VERSION, create, compute, memory_usage, destroy, force_uncertainty,
      energy_uncertainty};
  return &api;
}
