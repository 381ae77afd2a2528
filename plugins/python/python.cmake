# The Python module mlpot._native. Needs the build requirement nanobind.

find_package(Python 3.10 REQUIRED COMPONENTS Interpreter Development.Module)
execute_process(COMMAND "${Python_EXECUTABLE}" -m nanobind --cmake_dir
  OUTPUT_VARIABLE nanobind_ROOT OUTPUT_STRIP_TRAILING_WHITESPACE)
find_package(nanobind CONFIG REQUIRED)
nanobind_add_module(_native NB_STATIC NOMINSIZE "${CMAKE_CURRENT_LIST_DIR}/evaluation.cpp"
  "${CMAKE_CURRENT_LIST_DIR}/module.cpp" "${CMAKE_CURRENT_LIST_DIR}/training.cpp")
set_target_properties(_native PROPERTIES CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON)
target_link_libraries(_native PRIVATE mlpot_native)
