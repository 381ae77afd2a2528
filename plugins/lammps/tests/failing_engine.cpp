/* SPDX-License-Identifier: GPL-2.0-or-later

   An engine that fails on the second rank of a node: the native one behind the same C interface.

       c++ -std=c++17 -shared -fPIC -I plugins/engine failing_engine.cpp -o failing_engine.so

   MLPOT_NATIVE_ENGINE is this library, MLPOT_REAL_ENGINE the native one, and MLPOT_FAILS where it fails:

   create        the model cannot be loaded
   before        an evaluation fails before the first exchange of messages
   between       it fails after the first exchange
   rows          it sends rows that are wider than it has declared
   uncertainty   the error bars of the forces cannot be computed */

#include "engine_api.h"

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

namespace {

const mlpot_engine_api *real = nullptr;
bool is_second_rank = false;
int message_width = 0;

bool fails_in(const char *place)
{
  return is_second_rank && std::strcmp(std::getenv("MLPOT_FAILS"), place) == 0;
}

int fail(mlpot_message *message)
{
  std::snprintf(message->text, message->size, "an injected failure");
  return 1;
}

mlpot_engine *create(const mlpot_settings *settings, mlpot_description *description,
                     mlpot_message *message)
{
  is_second_rank = settings->device_index == 1;
  if (fails_in("create")) {
    fail(message);
    return nullptr;
  }
  mlpot_engine *const engine = real->create(settings, description, message);
  message_width = description->message_width;
  return engine;
}

void send(const mlpot_atoms *atoms, const mlpot_communicator *comm, int width)
{
  std::vector<double> values(static_cast<std::size_t>(atoms->n_atoms) * width);
  const mlpot_rows rows = {values.data(), sizeof(double), 1, width, width, MLPOT_HOST_MEMORY};
  comm->forward(comm->context, &rows);
}

int compute(mlpot_engine *engine, const mlpot_atoms *atoms, const mlpot_communicator *comm,
            mlpot_result *result, mlpot_message *message)
{
  if (fails_in("before")) return fail(message);
  if (fails_in("between")) {
    send(atoms, comm, message_width);
    return fail(message);
  }
  if (fails_in("rows")) send(atoms, comm, message_width + 1);
  return real->compute(engine, atoms, comm, result, message);
}

double memory_usage(const mlpot_engine *engine)
{
  return real->memory_usage(engine);
}

void destroy(mlpot_engine *engine)
{
  real->destroy(engine);
}

int force_uncertainty(const mlpot_engine *engine, int n_atoms, const int *species,
                      const double *member_forces, size_t stride, const double *distance_sums,
                      double *ensemble_std, double *error_bars, mlpot_message *message)
{
  if (fails_in("uncertainty")) return fail(message);
  return real->force_uncertainty(engine, n_atoms, species, member_forces, stride, distance_sums,
                                 ensemble_std, error_bars, message);
}

int energy_uncertainty(const mlpot_engine *engine, const double *member_energies,
                       double *ensemble_std, double *error_bars, mlpot_message *message)
{
  return real->energy_uncertainty(engine, member_energies, ensemble_std, error_bars, message);
}

}    // namespace

extern "C" const mlpot_engine_api *mlpot_engine_get_api()
{
  void *const library = dlopen(std::getenv("MLPOT_REAL_ENGINE"), RTLD_NOW | RTLD_LOCAL);
  real = reinterpret_cast<mlpot_engine_get_api_function>(dlsym(library, MLPOT_ENGINE_ENTRY))();
  static const mlpot_engine_api api = {
      MLPOT_ENGINE_API_VERSION, create, compute, memory_usage, destroy, force_uncertainty,
      energy_uncertainty};
  return &api;
}
