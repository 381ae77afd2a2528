/* SPDX-License-Identifier: MIT

   The C border of the native engine: no exception leaves it. */

#include "native_engine.h"

#include <cstdio>
#include <exception>
#include <new>
#include <string>

namespace {

void write(mlpot_message *message, const std::string &text)
{
  std::snprintf(message->text, message->size, "%s", text.c_str());
}

template <typename Action> int guarded(mlpot_message *message, const Action &action)
{
  try {
    action();
    return 0;
  } catch (const std::bad_alloc &) {
    write(message, "not enough memory; use more ranks on more machines or a smaller system");
  } catch (const std::exception &error) {
    write(message, error.what());
  } catch (...) {
    write(message, "an unknown error");
  }
  return 1;
}

mlpot::NativeEngine *unwrap(mlpot_engine *engine)
{
  return reinterpret_cast<mlpot::NativeEngine *>(engine);
}

mlpot_engine *create(const mlpot_settings *settings, mlpot_description *description,
                     mlpot_message *message)
{
  mlpot::NativeEngine *engine = nullptr;
  guarded(message, [&] {
    engine = new mlpot::NativeEngine(*settings);
    *description = engine->describe();
  });
  return reinterpret_cast<mlpot_engine *>(engine);
}

int compute(mlpot_engine *engine, const mlpot_atoms *atoms, const mlpot_communicator *comm,
            mlpot_result *result, mlpot_message *message)
{
  return guarded(message, [&] {
    unwrap(engine)->compute(*atoms, *comm, *result);
  });
}

double memory_usage(const mlpot_engine *engine)
{
  return reinterpret_cast<const mlpot::NativeEngine *>(engine)->memory_usage();
}

void destroy(mlpot_engine *engine)
{
  delete unwrap(engine);
}

}    // namespace

extern "C" __attribute__((visibility("default"))) const mlpot_engine_api *mlpot_engine_get_api()
{
  static const mlpot_engine_api api = {MLPOT_ENGINE_API_VERSION, create, compute, memory_usage,
                                       destroy};
  return &api;
}
