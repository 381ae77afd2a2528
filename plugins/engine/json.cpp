/* SPDX-License-Identifier: MIT */

#include "json.h"

#include <locale>
#include <sstream>
#include <stdexcept>

namespace mlpot {

namespace {

  constexpr int MAX_DEPTH = 64;

  [[noreturn]] void fail(const std::string &what)
  {
    throw std::runtime_error("JSON: " + what);
  }

  /* Bytes that follow the first one of a character; -1: not a first byte. */
  int following_bytes(unsigned char first)
  {
    if (first < 0x80) return 0;
    if (first >= 0xc2 && first < 0xe0) return 1;
    if (first >= 0xe0 && first < 0xf0) return 2;
    return first >= 0xf0 && first < 0xf5 ? 3 : -1;
  }

  /* Strings of a damaged file can appear in messages, which must be text. */
  bool is_utf8(const std::string &text)
  {
    for (std::size_t k = 0; k < text.size(); k++) {
      int more = following_bytes(static_cast<unsigned char>(text[k]));
      if (more < 0) return false;
      for (; more > 0; more--)
        if (++k >= text.size() || (static_cast<unsigned char>(text[k]) & 0xc0) != 0x80)
          return false;
    }
    return true;
  }

}    // namespace

class JsonReader {
 public:
  explicit JsonReader(const std::string &text) : text(text) {}

  Json read_all()
  {
    Json value = read(0);
    if (peek() != '\0') fail("expected the end of the text");
    return value;
  }

 private:
  const std::string &text;
  std::size_t position = 0;

  char peek()
  {
    while (position < text.size() &&
           std::string(" \t\r\n").find(text[position]) != std::string::npos)
      position++;
    return position < text.size() ? text[position] : '\0';
  }

  void expect(char next)
  {
    if (peek() != next) fail(std::string("expected ") + next);
    position++;
  }

  bool skip(const std::string &word)
  {
    if (text.compare(position, word.size(), word) != 0) return false;
    position += word.size();
    return true;
  }

  Json read(int depth)
  {
    if (depth > MAX_DEPTH) fail("nested too deeply");
    const char next = peek();
    if (next == '{') return read_object(depth);
    if (next == '[') return read_array(depth);
    Json value;
    if (next == '"') {
      value.kind = Json::Kind::String;
      value.text = read_string();
    } else if (skip("true")) {
      value.kind = Json::Kind::Boolean;
      value.value = 1.0;
    } else if (skip("false")) {
      value.kind = Json::Kind::Boolean;
    } else if (!skip("null")) {
      value.kind = Json::Kind::Number;
      value.value = read_number();
    }
    return value;
  }

  Json read_object(int depth)
  {
    Json value;
    value.kind = Json::Kind::Object;
    expect('{');
    for (bool first = true; peek() != '}'; first = false) {
      if (!first) expect(',');
      if (peek() != '"') fail("expected a key");
      const std::string key = read_string();
      expect(':');
      value.object[key] = read(depth + 1);
    }
    expect('}');
    return value;
  }

  Json read_array(int depth)
  {
    Json value;
    value.kind = Json::Kind::Array;
    expect('[');
    for (bool first = true; peek() != ']'; first = false) {
      if (!first) expect(',');
      value.array.push_back(read(depth + 1));
    }
    expect(']');
    return value;
  }

  std::string read_string()
  {
    std::string result;
    for (position++; position < text.size() && text[position] != '"'; position++)
      result += text[position] == '\\' ? read_escape() : text[position];
    if (position == text.size()) fail("a string does not end");
    position++;
    return result;
  }

  // the character after a backslash; no string that an engine reads has one beyond ASCII
  char read_escape()
  {
    if (++position == text.size()) fail("a string does not end");
    switch (text[position]) {
      case 'n':
        return '\n';
      case 't':
        return '\t';
      case 'r':
        return '\r';
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'u':
        position += 4;
        if (position >= text.size()) fail("a string does not end");
        return '?';
      default:
        return text[position];
    }
  }

  // in the classic locale, whichever the program has set
  double read_number()
  {
    const std::size_t end = text.find_first_not_of("+-.0123456789eE", position);
    std::istringstream stream(text.substr(position, end - position));
    stream.imbue(std::locale::classic());
    stream.exceptions(std::ios::badbit);    // passes on std::bad_alloc
    double value;
    if (!(stream >> value) || stream.peek() != std::istringstream::traits_type::eof())
      fail("expected a value");
    position = end == std::string::npos ? text.size() : end;
    return value;
  }
};

Json Json::parse(const std::string &text)
{
  if (!is_utf8(text)) fail("not written in UTF-8");
  return JsonReader(text).read_all();
}

const Json &Json::at(const std::string &key) const
{
  const auto found = object.find(key);
  if (found == object.end()) fail("there is no " + key);
  return found->second;
}

bool Json::boolean() const
{
  if (kind != Kind::Boolean) fail("expected true or false");
  return value != 0.0;
}

double Json::number() const
{
  if (kind != Kind::Number) fail("expected a number");
  return value;
}

const std::string &Json::string() const
{
  if (kind != Kind::String) fail("expected a string");
  return text;
}

const std::vector<Json> &Json::items() const
{
  if (kind != Kind::Array) fail("expected a list");
  return array;
}

const std::map<std::string, Json> &Json::entries() const
{
  if (kind != Kind::Object) fail("expected an object");
  return object;
}

std::vector<double> Json::numbers() const
{
  std::vector<double> all;
  append_numbers(all);
  return all;
}

void Json::append_numbers(std::vector<double> &all) const
{
  if (kind == Kind::Number) all.push_back(value);
  for (const Json &item : array) item.append_numbers(all);
}

}    // namespace mlpot
