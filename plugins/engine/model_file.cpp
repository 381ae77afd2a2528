/* SPDX-License-Identifier: MIT

   The zip format is described in PKWARE's APPNOTE.TXT 6.3.10, sections 4.3 and 4.5. */

#include "model_file.h"

#include <array>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace mlpot {

namespace {

  constexpr std::uint32_t END_OF_DIRECTORY = 0x06054b50;
  constexpr std::uint32_t END_OF_DIRECTORY64 = 0x06064b50;
  constexpr std::uint32_t LOCATOR64 = 0x07064b50;
  constexpr std::uint64_t WIDE = 0xffffffff;    // the value is in the 64-bit extra field

  const std::string CHECKSUM = "mlpot-crc32:";
  const std::uint64_t CHECKSUM_SIZE = CHECKSUM.size() + 8;

  std::array<std::uint32_t, 256> make_crc_table()
  {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t n = 0; n < 256; n++) {
      std::uint32_t c = n;
      for (int k = 0; k < 8; k++) c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
      table[n] = c;
    }
    return table;
  }

  std::uint32_t crc32(const char *data, std::uint64_t size)
  {
    static const std::array<std::uint32_t, 256> table = make_crc_table();
    std::uint32_t c = 0xffffffffu;
    for (std::uint64_t i = 0; i < size; i++)
      c = table[(c ^ static_cast<unsigned char>(data[i])) & 0xff] ^ (c >> 8);
    return c ^ 0xffffffffu;
  }

}    // namespace

ModelFile::ModelFile(const std::string &path) : path_(path)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("cannot be read");
  bytes_.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  check_checksum();
}

ModelFile::ModelFile(const std::string &path, std::string bytes) :
    path_(path), bytes_(std::move(bytes))
{
  check_checksum();
}

void ModelFile::fail(const std::string &why) const
{
  throw std::runtime_error("model file " + path_ + " " + why);
}

void ModelFile::check_checksum() const
{
  if (bytes_.compare(0, 2, "PK") != 0) fail("is not an mlpot model");
  if (bytes_.size() < CHECKSUM_SIZE + 22 ||
      bytes_.compare(bytes_.size() - CHECKSUM_SIZE, CHECKSUM.size(), CHECKSUM) != 0)
    fail("has no mlpot checksum at its end: it is cut off or was not written by mlpot");
  char digits[9];
  std::snprintf(digits, sizeof(digits), "%08x", crc32(bytes_.data(), bytes_.size() - 8));
  if (bytes_.compare(bytes_.size() - 8, 8, digits) != 0)
    fail("is damaged: its checksum does not match; copy it again from its source");
}

/* Little-endian number of n_bytes at offset. */
std::uint64_t ModelFile::number(std::uint64_t offset, int n_bytes) const
{
  if (offset > bytes_.size() || bytes_.size() - offset < static_cast<std::uint64_t>(n_bytes))
    fail("is an archive with a broken directory");
  std::uint64_t value = 0;
  for (int k = n_bytes - 1; k >= 0; k--)
    value = (value << 8) | static_cast<unsigned char>(bytes_[offset + k]);
  return value;
}

void ModelFile::find_directory(std::uint64_t &offset, std::uint64_t &n_members) const
{
  const std::uint64_t end = bytes_.size() - CHECKSUM_SIZE - 22;
  if (number(end, 4) != END_OF_DIRECTORY) fail("is an archive without a directory");
  offset = number(end + 16, 4);
  n_members = number(end + 10, 2);
  if (end < 20 || number(end - 20, 4) != LOCATOR64) return;
  const std::uint64_t wide = number(end - 12, 8);
  if (number(wide, 4) != END_OF_DIRECTORY64) fail("is an archive without a directory");
  offset = number(wide + 48, 8);
  n_members = number(wide + 32, 8);
}

std::string ModelFile::member(const std::string &name) const
{
  std::uint64_t offset, n_members;
  find_directory(offset, n_members);
  for (std::uint64_t n = 0; n < n_members; n++) {
    const std::uint64_t name_size = number(offset + 28, 2);
    const std::uint64_t next =
        offset + 46 + name_size + number(offset + 30, 2) + number(offset + 32, 2);
    number(next - 1, 1);    // the entry lies inside the file
    const std::string full = bytes_.substr(offset + 46, name_size);
    const std::size_t slash = full.find('/');
    if (slash != std::string::npos && full.compare(slash + 1, std::string::npos, name) == 0)
      return content(offset);
    offset = next;
  }
  fail("has no member " + name);
}

/* Content of the member whose directory entry lies at `entry`. */
std::string ModelFile::content(std::uint64_t entry) const
{
  if (number(entry + 10, 2) != 0) fail("is compressed");
  std::uint64_t size = number(entry + 24, 4);
  std::uint64_t start = number(entry + 42, 4);
  std::uint64_t field = entry + 46 + number(entry + 28, 2);
  const std::uint64_t end = field + number(entry + 30, 2);
  for (; field + 4 <= end; field += 4 + number(field + 2, 2)) {
    if (number(field, 2) != 1) continue;
    // between the two is the compressed size, the same number
    if (start == WIDE) start = number(field + 4 + (size == WIDE ? 16 : 0), 8);
    if (size == WIDE) size = number(field + 4, 8);
  }
  const std::uint64_t data = start + 30 + number(start + 26, 2) + number(start + 28, 2);
  if (data > bytes_.size() || bytes_.size() - data < size) fail("is an archive that is too short");
  return bytes_.substr(data, size);
}

}    // namespace mlpot
