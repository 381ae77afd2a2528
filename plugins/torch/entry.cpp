/* SPDX-License-Identifier: MIT

   The C border of the torch engine: no exception leaves it. */

#include "torch_engine.h"

#include <cstdio>
#include <exception>

namespace {

void write(mlpot_message *message, const std::string &text)
{
  std::snprintf(message->text, message->size, "%s", text.c_str());
}

/* libtorch's messages carry a stack trace after the first lines; TorchScript's end with the cause. */
std::string cause(const c10::Error &error)
{
  const std::string text = error.what_without_backtrace();
  const std::size_t runtime = text.rfind("RuntimeError: ");
  return "libtorch: " + (runtime == std::string::npos ? text : text.substr(runtime));
}

template <typename Action> int guarded(mlpot_message *message, const Action &action)
{
  try {
    action();
    return 0;
  } catch (const c10::OutOfMemoryError &) {
    write(message, "the device has not enough memory; use more ranks, a smaller system or the cpu");
  } catch (const std::bad_alloc &) {
    write(message, "not enough memory; use more ranks on more machines or a smaller system");
  } catch (const c10::Error &error) {
    write(message, cause(error));
  } catch (const std::exception &error) {
    write(message, error.what());
  } catch (...) {
    write(message, "an unknown error");
  }
  return 1;
}

mlpot::TorchEngine *unwrap(mlpot_engine *engine)
{
  return reinterpret_cast<mlpot::TorchEngine *>(engine);
}

mlpot_engine *create(const mlpot_settings *settings, mlpot_description *description,
                     mlpot_message *message)
{
  mlpot::TorchEngine *engine = nullptr;
  guarded(message, [&] {
    engine = new mlpot::TorchEngine(*settings);
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
  return reinterpret_cast<const mlpot::TorchEngine *>(engine)->memory_usage();
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
