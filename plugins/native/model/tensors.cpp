/* SPDX-License-Identifier: MIT */

#include "model/tensors.h"

#include "json.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace mlpot {

namespace {

  constexpr double LARGEST_SIZE = 9007199254740992.0;    // 2^53: whole numbers are exact up to here

  std::int64_t whole(double number, const std::string &name)
  {
    if (!(number >= 0.0 && number <= LARGEST_SIZE) || number != std::floor(number))
      throw std::runtime_error("tensor " + name + " has a shape that is not a list of sizes");
    return static_cast<std::int64_t>(number);
  }

  std::string text(const Shape &shape)
  {
    std::string result = "(";
    for (const std::int64_t size : shape)
      result += (result.size() > 1 ? ", " : "") + std::to_string(size);
    return result + ")";
  }

  /* Whether tensors of this shape have so many values. */
  bool has_size(const Shape &shape, std::uint64_t n_values)
  {
    std::uint64_t left = n_values;
    for (const std::int64_t size : shape)
      if (size == 0) return n_values == 0;
    for (const std::int64_t size : shape) {
      if (left % static_cast<std::uint64_t>(size) != 0) return false;
      left /= static_cast<std::uint64_t>(size);
    }
    return left == 1;
  }

  template <typename T> T little_endian(const char *bytes)
  {
    using Word = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
    Word word = 0;
    for (int k = sizeof(Word) - 1; k >= 0; k--)
      word = (word << 8) | static_cast<unsigned char>(bytes[k]);
    T value;
    std::memcpy(&value, &word, sizeof(T));
    return value;
  }

  template <typename T> bool is_finite(T value)
  {
    if constexpr (std::is_integral_v<T>)
      return true;
    else
      return std::isfinite(value);
  }

}    // namespace

Tensors::Tensors(const ModelFile &file)
{
  const Json index = Json::parse(std::string(file.member("extra/mlpot.tensors.json")));
  for (const auto &[name, entry] : index.entries()) {
    Tensor tensor = {entry.at("dtype").string(), {}, file.member(entry.at("member").string())};
    for (const Json &size : entry.at("shape").items())
      tensor.shape.push_back(whole(size.number(), name));
    all[name] = std::move(tensor);
  }
}

const Tensor &Tensors::tensor(const std::string &name) const
{
  const auto found = all.find(name);
  if (found == all.end()) throw std::runtime_error("there is no tensor " + name);
  return found->second;
}

template <typename T>
std::vector<T> Tensors::read(const std::string &name, const Shape &expected, const char *type) const
{
  const Tensor &source = tensor(name);
  if (source.shape != expected)
    throw std::runtime_error("tensor " + name + " must have shape " + text(expected) + ", got " +
                             text(source.shape));
  if (source.type != type)
    throw std::runtime_error("tensor " + name + " must have type " + type + ", got " + source.type);
  const std::size_t count = source.values.size() / sizeof(T);
  if (source.values.size() % sizeof(T) != 0 || !has_size(expected, count))
    throw std::runtime_error("tensor " + name + " of type " + type + " and shape " +
                             text(expected) + " has " + std::to_string(source.values.size()) +
                             " bytes");
  std::vector<T> values(count);
  for (std::size_t k = 0; k < count; k++) {
    values[k] = little_endian<T>(&source.values[sizeof(T) * k]);
    if (!is_finite(values[k]))
      throw std::runtime_error("tensor " + name + " holds a value that is not a finite number");
  }
  return values;
}

std::vector<double> Tensors::numbers(const std::string &name, const Shape &expected) const
{
  if (tensor(name).type != "F32") return read<double>(name, expected, "F64");
  const std::vector<float> values = read<float>(name, expected, "F32");
  return {values.begin(), values.end()};
}

std::vector<float> Tensors::single_numbers(const std::string &name, const Shape &expected) const
{
  return read<float>(name, expected, "F32");
}

std::vector<std::int64_t> Tensors::integers(const std::string &name, const Shape &expected) const
{
  return read<std::int64_t>(name, expected, "I64");
}

}    // namespace mlpot
