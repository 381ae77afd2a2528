/* SPDX-License-Identifier: MIT

   Base class of engines; entry.cpp exports one through the C interface. */

#ifndef MLPOT_ENGINE_H
#define MLPOT_ENGINE_H

#include "engine_api.h"
#include "manifest.h"

#include <memory>
#include <stdexcept>

namespace mlpot {

/* Errors are std::runtime_error with a sentence for the user, or std::bad_alloc. */
class Engine {
 public:
  virtual ~Engine() = default;

  /* Valid as long as this engine. */
  virtual mlpot_description describe() const = 0;
  virtual const Manifest &manifest() const = 0;
  virtual void compute(const mlpot_atoms &atoms, const mlpot_communicator &comm,
                       mlpot_result &result) = 0;
  virtual double memory_usage() const = 0;
};

/* Whether a call requests results of the members of a committee. */
inline bool requests_members(const mlpot_result &result)
{
  return result.member_energies || result.member_forces || result.member_virials;
}

/* For engines that run on the cpu. */
inline void require_host_memory(const mlpot_atoms &atoms, const mlpot_result &result)
{
  if (atoms.memory != MLPOT_HOST_MEMORY || result.memory != MLPOT_HOST_MEMORY)
    throw std::runtime_error("this engine takes arrays in the memory of the host");
}

/* Each engine library defines this once. */
std::unique_ptr<Engine> make_engine(const mlpot_settings &settings, const ModelFile &file);

}    // namespace mlpot

#endif
