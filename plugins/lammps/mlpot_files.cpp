/* ----------------------------------------------------------
   pair_style mlpot: E(3)-equivariant potentials from a model.pt file in LAMMPS.

   This program is free software; you can redistribute it and/or modify it under the terms of the
   GNU General Public License as published by the Free Software Foundation; either version 2 of the
   License, or (at your option) any later version. See the file LICENSE in this folder.

   SPDX-License-Identifier: GPL-2.0-or-later
------------------------------------------------------------------------- */

#include "mlpot_files.h"

#include "utils.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

namespace fs = std::filesystem;

namespace {

std::string variable(const std::string &name)
{
  const char *value = std::getenv(name.c_str());
  return value ? value : "";
}

// folder of this plugin
fs::path plugin_folder()
{
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void *>(&MLPotFiles::open_engine), &info)) return {};
  std::error_code ignored;
  return fs::weakly_canonical(info.dli_fname, ignored).parent_path();
}

fs::path cache_folder()
{
  const std::string cache = variable("XDG_CACHE_HOME");
  if (!cache.empty()) return fs::path(cache) / "mlpot";
  const std::string home = variable("HOME");
  return home.empty() ? fs::path() : fs::path(home) / ".cache" / "mlpot";
}

std::string content(const fs::path &file)
{
  std::string text;
  return MLPotFiles::read(file.string(), text) ? text : "";
}

// engines in the cache, built from the sources of this plugin (named by mlpot/lammps/torch_engine_sources.py): first
// those for the torch that is installed beside the plugin, then the newest
std::vector<fs::path> cached_engines(const std::string &file)
{
  struct Candidate {
    bool foreign;
    fs::file_time_type time;
    fs::path path;
  };
  const std::string torch =
      (plugin_folder().parent_path().parent_path() / "torch" / "lib").string();
  std::vector<Candidate> found;
  std::error_code ignored;
  for (const auto &entry : fs::directory_iterator(cache_folder(), ignored)) {
    const fs::path path = entry.path() / file;
    const std::string folder = entry.path().filename().string();
    if (folder.find("-" MLPOT_ENGINE_SOURCES "-") == std::string::npos ||
        !fs::exists(path, ignored))
      continue;
    const bool foreign = content(entry.path() / "torch_lib.txt") != torch;
    found.push_back({foreign, fs::last_write_time(path, ignored), path});
  }
  std::sort(found.begin(), found.end(), [](const Candidate &a, const Candidate &b) {
    return a.foreign != b.foreign ? b.foreign : a.time > b.time;
  });
  std::vector<fs::path> paths;
  for (const auto &candidate : found) paths.push_back(candidate.path);
  return paths;
}

// possible files of an engine, best first
std::vector<fs::path> engine_candidates(const std::string &name)
{
  std::string chosen = variable(name == "torch" ? "MLPOT_TORCH_ENGINE" : "MLPOT_NATIVE_ENGINE");
  if (!chosen.empty()) return {chosen};
  const std::string file = "libmlpot_" + name + ".so";
  std::vector<fs::path> candidates;
  std::error_code ignored;
  const fs::path beside = plugin_folder() / file;
  if (fs::exists(beside, ignored)) candidates.push_back(beside);
  if (name == "torch")
    for (const auto &path : cached_engines(file)) candidates.push_back(path);
  return candidates;
}

// the library stays open until the process ends: libtorch cannot be closed
MLPotFiles::Engine open_library(const fs::path &path)
{
  MLPotFiles::Engine engine;
  engine.path = path.string();
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (!library) {
    engine.error = dlerror();
    return engine;
  }
  const auto get_api =
      reinterpret_cast<mlpot_engine_get_api_function>(dlsym(library, MLPOT_ENGINE_ENTRY));
  engine.api = get_api ? get_api() : nullptr;
  if (!engine.api || engine.api->api_version != MLPOT_ENGINE_API_VERSION) {
    engine.api = nullptr;
    engine.error = engine.path + " belongs to another version of mlpot";
  }
  return engine;
}

}    // namespace

namespace MLPotFiles {

Engine open_engine(const std::string &name)
{
  Engine engine;
  std::string errors;
  for (const auto &path : engine_candidates(name)) {
    engine = open_library(path);
    if (engine.api) return engine;
    errors += "\n  " + engine.error;
  }
  engine.error = "Pair style mlpot cannot find the engine " + name;
  if (!errors.empty()) engine.error += " in a file that can be opened:" + errors + "\n";
  if (name == "torch") engine.error += "; build it once with: mlpot build-torch-engine";
  return engine;
}

bool read(const std::string &path, std::string &content)
{
  std::ifstream stream(path, std::ios::binary);
  content.assign(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  return stream.good() || stream.eof();
}

std::string find_model(const std::string &name)
{
  std::error_code ignored;
  if (fs::is_regular_file(name, ignored)) return name;
  const std::string of_lammps = LAMMPS_NS::utils::get_potential_file_path(name);
  if (fs::is_regular_file(of_lammps, ignored)) return of_lammps;
  std::vector<fs::path> folders = {plugin_folder().parent_path() / "potentials"};
#ifdef MLPOT_POTENTIALS
  folders.emplace_back(MLPOT_POTENTIALS);
#endif
  // "name/preset", or "name" with the presets of mlpot/model_file/registry.py, best first
  std::vector<std::string> files;
  if (fs::path(name).has_parent_path())
    files.push_back(name + ".pt");
  else
    for (const char *preset : {MLPOT_PRESETS}) files.push_back(name + "/" + preset + ".pt");
  for (const auto &file : files)
    for (const auto &folder : folders)
      if (fs::is_regular_file(folder / file, ignored)) return (folder / file).string();
  return "";
}

}    // namespace MLPotFiles
