/* SPDX-License-Identifier: MIT

   Format of model.pt: a zip archive of stored (uncompressed) members whose comment, the last bytes
   of the file, is "mlpot-crc32:" and the CRC-32 of all bytes before the 8 digits. A truncated or
   changed file is rejected here, before libtorch or anything else interprets it. */

#ifndef MLPOT_MODEL_FILE_H
#define MLPOT_MODEL_FILE_H

#include <cstdint>
#include <string>

namespace mlpot {

class ModelFile {
 public:
  /* Throw std::runtime_error with a sentence for the user. The second takes the content of a file that was read or
     made already; the path is for messages. */
  explicit ModelFile(const std::string &path);
  ModelFile(const std::string &path, std::string bytes);

  const std::string &path() const { return path_; }
  const std::string &bytes() const { return bytes_; }

  /* Content of a member, named without the top folder of the archive; throws if there is none. */
  std::string member(const std::string &name) const;

 private:
  std::string path_, bytes_;

  [[noreturn]] void fail(const std::string &why) const;
  std::uint64_t number(std::uint64_t offset, int n_bytes) const;
  void check_checksum() const;
  void find_directory(std::uint64_t &offset, std::uint64_t &n_members) const;
  std::string content(std::uint64_t directory_entry) const;
};

}    // namespace mlpot

#endif
