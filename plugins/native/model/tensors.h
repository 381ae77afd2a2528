/* SPDX-License-Identifier: MIT

   Tensors by name, of a model file or of a program. The file has an index, extra/mlpot.tensors.json, with the
   type, the shape and the member of each tensor; the members hold the values, little-endian. Those of the
   weights are the ones that libtorch reads, too. All of it is checked. */

#ifndef MLPOT_TENSORS_H
#define MLPOT_TENSORS_H

#include "model_file.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace mlpot {

using Shape = std::vector<std::int64_t>;

struct Tensor {
  std::string type;    // F32, F64 or I64
  Shape shape;
  std::string_view values;
};

class Tensors {
 public:
  /* They refer to the bytes of the file. Throws std::runtime_error, as everything here does. */
  explicit Tensors(const ModelFile &file);
  explicit Tensors(std::map<std::string, Tensor> tensors) : all(std::move(tensors)) {}

  bool has(const std::string &name) const { return all.count(name) > 0; }
  const Shape &shape(const std::string &name) const { return tensor(name).shape; }

  /* Values of a tensor that must have this shape, and be finite: float32 or float64; int64; float32. */
  std::vector<double> numbers(const std::string &name, const Shape &expected) const;
  std::vector<std::int64_t> integers(const std::string &name, const Shape &expected) const;
  std::vector<float> single_numbers(const std::string &name, const Shape &expected) const;

 private:
  std::map<std::string, Tensor> all;

  const Tensor &tensor(const std::string &name) const;
  template <typename T>
  std::vector<T> read(const std::string &name, const Shape &expected, const char *type) const;
};

}    // namespace mlpot

#endif
