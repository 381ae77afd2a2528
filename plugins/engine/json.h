/* SPDX-License-Identifier: MIT

   Reader of JSON (RFC 8259) for the manifest of a model: characters written as \u become question
   marks, numbers are doubles. */

#ifndef MLPOT_JSON_H
#define MLPOT_JSON_H

#include <map>
#include <string>
#include <vector>

namespace mlpot {

class Json {
 public:
  /* Throws std::runtime_error. */
  static Json parse(const std::string &text);

  /* Access; throws std::runtime_error that names the missing key or the expected type. */
  const Json &at(const std::string &key) const;
  bool has(const std::string &key) const { return object.count(key) > 0; }
  bool is_null() const { return kind == Kind::Null; }
  bool boolean() const;
  double number() const;
  int integer() const { return static_cast<int>(number()); }
  const std::string &string() const;
  const std::vector<Json> &items() const;
  const std::map<std::string, Json> &entries() const;
  std::vector<double> numbers() const;    // of this value and all nested in it, in order

 private:
  enum class Kind { Null, Boolean, Number, String, Array, Object };

  Kind kind = Kind::Null;
  double value = 0.0;
  std::string text;
  std::vector<Json> array;
  std::map<std::string, Json> object;

  friend class JsonReader;
  void append_numbers(std::vector<double> &all) const;
};

}    // namespace mlpot

#endif
