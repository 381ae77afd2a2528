# Target mlpotplugin. Expects LAMMPS_INCLUDE_DIR, MPI_INCLUDE_DIR (or the target MPI::MPI_CXX) and LAMMPS_VERSION_NUMBER.
# Nothing of LAMMPS or MPI is linked: the program that loads the plugin brings both.

get_filename_component(plugins_dir "${CMAKE_CURRENT_LIST_DIR}/.." ABSOLUTE)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()

get_filename_component(source_root "${plugins_dir}/.." ABSOLUTE)

# Hash of the sources of the torch engine: the plugin opens only an engine of its own version.
find_package(Python REQUIRED COMPONENTS Interpreter)
file(GLOB engine_sources CONFIGURE_DEPENDS
  "${plugins_dir}/engine/*.h" "${plugins_dir}/engine/*.cpp" "${plugins_dir}/torch/*.h" "${plugins_dir}/torch/*.cpp")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${engine_sources})
execute_process(
  COMMAND "${Python_EXECUTABLE}" "${source_root}/mlpot/lammps/torch_engine_sources.py" "${plugins_dir}"
  OUTPUT_VARIABLE sources_hash RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "The hash of the sources of the torch engine was not computed")
endif()

# What the plugin shares with Python: the version, and the presets of a potential, best first.
file(STRINGS "${source_root}/pyproject.toml" line REGEX "^version = ")
string(REGEX MATCH "\"([^\"]+)\"" ignored "${line}")
set(mlpot_version "${CMAKE_MATCH_1}")
file(STRINGS "${source_root}/mlpot/model_file/registry.py" line REGEX "^PRESETS_BY_ACCURACY = ")
string(REGEX MATCHALL "\"[a-z]+\"" presets "${line}")
string(JOIN "," presets ${presets})
if(NOT presets)
  message(FATAL_ERROR "mlpot/model_file/registry.py has no line PRESETS_BY_ACCURACY")
endif()

add_library(mlpotplugin MODULE
  "${CMAKE_CURRENT_LIST_DIR}/mlpotplugin.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_checks.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_failure.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_messages.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_model.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_restart.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_threads.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/pair_mlpot_uncertainty.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/compute_mlpot_uncertainty.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/fix_mlpot_frames.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/fix_mlpot_guard.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/mlpot_errors.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/mlpot_frame.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/mlpot_files.cpp")
set_target_properties(mlpotplugin PROPERTIES
  PREFIX "" SUFFIX ".so" CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET hidden)
# LAMMPS prints file and line with an error: without the folder of the build
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
  MLPOT_ENGINE_SOURCES="${sources_hash}"
  MLPOT_PRESETS=${presets})
if(MLPOT_POTENTIALS_DIR)
  target_compile_definitions(mlpotplugin PRIVATE MLPOT_POTENTIALS="${MLPOT_POTENTIALS_DIR}")
endif()
