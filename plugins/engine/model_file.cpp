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

  using CrcTables = std::array<std::array<std::uint32_t, 256>, 8>;

  /* tables[k][n]: remainder of byte n with k zeros after it. */
  CrcTables make_crc_tables()
  {
    CrcTables tables{};
    for (std::uint32_t n = 0; n < 256; n++) {
      std::uint32_t c = n;
      for (int k = 0; k < 8; k++) c = (c & 1) ? 0xedb88320u ^ (c >> 1) : c >> 1;
      tables[0][n] = c;
    }
    for (int k = 1; k < 8; k++)
      for (std::uint32_t n = 0; n < 256; n++)
        tables[k][n] = tables[0][tables[k - 1][n] & 0xff] ^ (tables[k - 1][n] >> 8);
    return tables;
  }

  /* Eight bytes at a time ("slicing by 8"). */
  std::uint32_t crc32(const char *text, std::uint64_t size)
  {
    static const CrcTables tables = make_crc_tables();
    const auto *data = reinterpret_cast<const unsigned char *>(text);
    std::uint32_t c = 0xffffffffu;
    for (; size >= 8; size -= 8, data += 8) {
      std::uint32_t next = 0;
      for (int k = 0; k < 8; k++)
        next ^= tables[7 - k][data[k] ^ (k < 4 ? c >> (8 * k) & 0xff : 0)];
      c = next;
    }
    for (; size > 0; size--, data++) c = tables[0][(c ^ *data) & 0xff] ^ (c >> 8);
    return c ^ 0xffffffffu;
  }

}    // namespace

ModelFile::ModelFile(const std::string &path) : path_(path)
{
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail("cannot be read");
  bytes_.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  check_checksum();
  read_directory();
}

ModelFile::ModelFile(const std::string &path, std::string bytes) :
    path_(path), bytes_(std::move(bytes))
{
  check_checksum();
  read_directory();
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

std::string_view ModelFile::member(const std::string &name) const
{
  const auto found = members.find(name);
  if (found == members.end()) fail("has no member " + name);
  if (!found->second.is_stored) fail("has a compressed member " + name);
  return std::string_view(bytes_).substr(found->second.data, found->second.size);
}

void ModelFile::read_directory()
{
  std::uint64_t offset, n_members;
  find_directory(offset, n_members);
  const std::uint64_t directory = offset;
  std::string folder;
  for (std::uint64_t n = 0; n < n_members; n++) {
    const std::uint64_t name_size = number(offset + 28, 2);
    const std::uint64_t next =
        offset + 46 + name_size + number(offset + 30, 2) + number(offset + 32, 2);
    number(next - 1, 1);    // the entry lies inside the file
    add_member(bytes_.substr(offset + 46, name_size), folder, place_of(offset));
    offset = next;
  }
  check_overlap(directory);
}

/* All members must lie in one folder. */
void ModelFile::add_member(const std::string &name, std::string &folder, const Place &place)
{
  const std::size_t slash = name.find('/');
  if (slash == std::string::npos || (!members.empty() && name.compare(0, slash, folder) != 0))
    fail("is an archive whose members are not in one folder");
  folder = name.substr(0, slash);
  if (!members.emplace(name.substr(slash + 1), place).second)
    fail("is an archive with two members of the same name");
}

/* Place of the member whose directory entry lies at `entry`. */
ModelFile::Place ModelFile::place_of(std::uint64_t entry) const
{
  std::uint64_t size = number(entry + 20, 4);
  std::uint64_t start = number(entry + 42, 4);
  std::uint64_t field = entry + 46 + number(entry + 28, 2);
  const std::uint64_t end = field + number(entry + 30, 2);
  for (; field + 4 <= end; field += 4 + number(field + 2, 2)) {
    if (number(field, 2) != 1) continue;
    // first the size, which is the same for stored members
    const int skipped = number(entry + 24, 4) == WIDE ? 8 : 0;
    if (start == WIDE) start = number(field + 4 + skipped + (size == WIDE ? 8 : 0), 8);
    if (size == WIDE) size = number(field + 4 + skipped, 8);
  }
  const std::uint64_t data = start + 30 + number(start + 26, 2) + number(start + 28, 2);
  if (data > bytes_.size() || bytes_.size() - data < size) fail("is an archive that is too short");
  return {start, data, size, number(entry + 10, 2) == 0};
}

void ModelFile::check_overlap(std::uint64_t directory) const
{
  std::map<std::uint64_t, std::uint64_t> end_of;    // by the start of the header
  for (const auto &[name, place] : members)
    if (!end_of.emplace(place.header, place.data + place.size).second)
      fail("is an archive whose members overlap");
  std::uint64_t last = 0;
  for (const auto &[start, end] : end_of) {
    if (start < last || end > directory) fail("is an archive whose members overlap");
    last = end;
  }
}

}    // namespace mlpot
