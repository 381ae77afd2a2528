/* SPDX-License-Identifier: MIT

   Reads extra/mlpot.safetensors: 8 bytes with the size of a JSON header, the header (type, shape and
   offsets of each tensor), the values, little-endian. All of it is checked. */

#ifndef MLPOT_SAFETENSORS_H
#define MLPOT_SAFETENSORS_H

#include "json.h"

#include <cstdint>
#include <string>
#include <vector>

namespace mlpot {

using Shape = std::vector<std::int64_t>;

class SafeTensors {
 public:
  /* Throws std::runtime_error, as everything here does. */
  explicit SafeTensors(std::string bytes);

  bool has(const std::string &name) const;
  Shape shape(const std::string &name) const;

  /* Values of a tensor that must have this shape and type, and be finite: float64, int64, float32. */
  std::vector<double> numbers(const std::string &name, const Shape &expected) const;
  std::vector<std::int64_t> integers(const std::string &name, const Shape &expected) const;
  std::vector<float> single_numbers(const std::string &name, const Shape &expected) const;

 private:
  std::string bytes;
  std::uint64_t data;    // where the values start
  Json header;

  template <typename T>
  std::vector<T> read(const std::string &name, const Shape &expected, const char *type) const;
};

}    // namespace mlpot

#endif
