# Target mlpotplugin. Expects LAMMPS_INCLUDE_DIR, MPI_INCLUDE_DIR (or the target MPI::MPI_CXX) and LAMMPS_VERSION_NUMBER.
# Nothing of LAMMPS or MPI is linked: the program that loads the plugin brings both.

get_filename_component(plugins_dir "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

# The hash of the sources of the torch engine is part of the name of its folder in the cache, so that a plugin never
# opens an engine of another version. mlpot/lammps/build_torch_engine.py computes the same.
file(GLOB engine_sources RELATIVE "${plugins_dir}" CONFIGURE_DEPENDS
  "${plugins_dir}/engine/*.h" "${plugins_dir}/engine/*.cpp" "${plugins_dir}/torch/*.h" "${plugins_dir}/torch/*.cpp")
list(SORT engine_sources)
set(hashes "")
foreach(source IN LISTS engine_sources)
  file(SHA256 "${plugins_dir}/${source}" hash)
  string(APPEND hashes "${source} ${hash}\n")
endforeach()
string(SHA256 sources_hash "${hashes}")
string(SUBSTRING "${sources_hash}" 0 12 sources_hash)

file(READ "${plugins_dir}/../pyproject.toml" pyproject)
string(REGEX MATCH "\nversion = \"([^\"]+)\"" ignored "${pyproject}")
set(mlpot_version "${CMAKE_MATCH_1}")

add_library(mlpotplugin MODULE
  "${CMAKE_CURRENT_LIST_DIR}/mlpotplugin.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_failure.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_messages.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_restart.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_uncertainty.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/compute_mlpot_uncertainty.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/fix_mlpot_frames.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/fix_mlpot_guard.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/mlpot_frame.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/mlpot_files.cpp")
set_target_properties(mlpotplugin PROPERTIES
  PREFIX "" SUFFIX ".so" CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET hidden)
# LAMMPS prints file and line with an error: keep the folder of the build out of it
get_filename_component(source_root "${plugins_dir}/.." ABSOLUTE)
target_compile_options(mlpotplugin PRIVATE -O3 -Wall -Wextra "-fmacro-prefix-map=${source_root}/=")
target_include_directories(mlpotplugin PRIVATE "${plugins_dir}/engine")
target_include_directories(mlpotplugin SYSTEM PRIVATE "${LAMMPS_INCLUDE_DIR}")
if(TARGET MPI::MPI_CXX)
  target_link_libraries(mlpotplugin PRIVATE MPI::MPI_CXX)
else()
  target_include_directories(mlpotplugin SYSTEM PRIVATE "${MPI_INCLUDE_DIR}")
endif()
target_compile_definitions(mlpotplugin PRIVATE
  ${LAMMPS_SIZE_FLAG}
  MLPOT_VERSION="${mlpot_version}"
  MLPOT_LAMMPS_VERSION=${LAMMPS_VERSION_NUMBER}
  MLPOT_ENGINE_SOURCES="${sources_hash}")
if(MLPOT_POTENTIALS_DIR)
  target_compile_definitions(mlpotplugin PRIVATE MLPOT_POTENTIALS="${MLPOT_POTENTIALS_DIR}")
endif()
