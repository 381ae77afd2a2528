/* SPDX-License-Identifier: MIT

   Format of model.pt: a zip archive of stored (uncompressed) members whose comment, the last bytes
   of the file, is "mlpot-crc32:" and the CRC-32 of all bytes before the 8 digits. A truncated or
   changed file is rejected here, before libtorch or anything else interprets it. */

#ifndef MLPOT_MODEL_FILE_H
#define MLPOT_MODEL_FILE_H

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace mlpot {

class ModelFile {
 public:
  /* Throw std::runtime_error with a sentence for the user. The second takes the content of a file that was read or
     made already; the path is for messages. */
  explicit ModelFile(const std::string &path);
  ModelFile(const std::string &path, std::string bytes);

  const std::string &path() const { return path_; }
  const std::string &bytes() const { return bytes_; }

  /* Content of a member, named without the top folder of the archive; throws if there is none. It is valid as long
     as this object. */
  std::string_view member(const std::string &name) const;

 private:
  struct Place {
    std::uint64_t header, data, size;
    bool is_stored;    // not compressed
  };
  std::string path_, bytes_;
  std::map<std::string, Place> members;

  [[noreturn]] void fail(const std::string &why) const;
  std::uint64_t number(std::uint64_t offset, int n_bytes) const;
  void check_checksum() const;
  void read_directory();
  void find_directory(std::uint64_t &offset, std::uint64_t &n_members) const;
  void add_member(const std::string &name, std::string &folder, const Place &place);
  Place place_of(std::uint64_t directory_entry) const;
  void check_overlap(std::uint64_t directory) const;
};

}    // namespace mlpot

#endif
