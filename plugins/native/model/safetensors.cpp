/* SPDX-License-Identifier: MIT */

#include "model/safetensors.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <type_traits>

namespace mlpot {

namespace {

  constexpr double LARGEST_SIZE = 9007199254740992.0;    // 2^53: whole numbers are exact up to here
  constexpr std::uint64_t LARGEST_INDEX = std::uint64_t(1) << 24;

  template <typename Word = std::uint64_t> Word little_endian(const char *bytes)
  {
    Word value = 0;
    for (int k = sizeof(Word) - 1; k >= 0; k--)
      value = (value << 8) | static_cast<unsigned char>(bytes[k]);
    return value;
  }

  std::uint64_t whole(double number)
  {
    if (!(number >= 0.0 && number <= LARGEST_SIZE) || number != std::floor(number))
      throw std::runtime_error("a size in the header of the tensors is not a whole number");
    return static_cast<std::uint64_t>(number);
  }

  Json parse_header(const std::string &bytes)
  {
    if (bytes.size() < 8 || little_endian(bytes.data()) > bytes.size() - 8)
      throw std::runtime_error("the tensors have no header");
    return Json::parse(bytes.substr(8, little_endian(bytes.data())));
  }

  template <typename T> std::vector<T> finite(std::vector<T> values, const std::string &name)
  {
    for (const T value : values)
      if (!std::isfinite(value))
        throw std::runtime_error("tensor " + name + " holds a value that is not a finite number");
    return values;
  }

  std::string text(const Shape &shape)
  {
    std::string result = "(";
    for (const std::int64_t size : shape)
      result += (result.size() > 1 ? ", " : "") + std::to_string(size);
    return result + ")";
  }

}    // namespace

SafeTensors::SafeTensors(std::string content) :
    bytes(std::move(content)), data(0), header(parse_header(bytes))
{
  data = 8 + little_endian(bytes.data());
}

bool SafeTensors::has(const std::string &name) const
{
  try {
    header.at(name);
    return true;
  } catch (const std::runtime_error &) {
    return false;
  }
}

Shape SafeTensors::shape(const std::string &name) const
{
  Shape shape;
  for (const double size : header.at(name).at("shape").numbers()) {
    if (whole(size) > LARGEST_INDEX)
      throw std::runtime_error("tensor " + name + " has a shape that no model has");
    shape.push_back(static_cast<std::int64_t>(whole(size)));
  }
  return shape;
}

template <typename T>
std::vector<T> SafeTensors::read(const std::string &name, const Shape &expected,
                                 const char *type) const
{
  const Json &entry = header.at(name);
  if (shape(name) != expected)
    throw std::runtime_error("tensor " + name + " must have shape " + text(expected) + ", got " +
                             text(shape(name)));
  if (entry.at("dtype").string() != type)
    throw std::runtime_error("tensor " + name + " must have type " + type + ", got " +
                             entry.at("dtype").string());
  const std::vector<double> place = entry.at("data_offsets").numbers();
  if (place.size() != 2) throw std::runtime_error("tensor " + name + " has no place");
  const std::uint64_t first = whole(place[0]), last = whole(place[1]);
  std::uint64_t count = 1;
  for (const std::int64_t size : expected) {
    if (count > LARGEST_INDEX) break;    // before it overflows
    count *= static_cast<std::uint64_t>(size);
  }
  if (count > LARGEST_INDEX || first > last || last > bytes.size() - data ||
      (last - first) / sizeof(T) != count || (last - first) % sizeof(T) != 0)
    throw std::runtime_error("tensor " + name + " lies outside of the file");
  std::vector<T> values(count);
  using Word = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
  for (std::uint64_t k = 0; k < count; k++) {
    const Word raw = little_endian<Word>(&bytes[data + first + sizeof(T) * k]);
    std::memcpy(&values[k], &raw, sizeof(T));
  }
  return values;
}

std::vector<double> SafeTensors::numbers(const std::string &name, const Shape &expected) const
{
  return finite(read<double>(name, expected, "F64"), name);
}

std::vector<float> SafeTensors::single_numbers(const std::string &name, const Shape &expected) const
{
  return finite(read<float>(name, expected, "F32"), name);
}

std::vector<std::int64_t> SafeTensors::integers(const std::string &name,
                                                const Shape &expected) const
{
  return read<std::int64_t>(name, expected, "I64");
}

}    // namespace mlpot
