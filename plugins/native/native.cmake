# The native engine: target mlpot_native (static, for the Python module) and mlpot_engine_native (the library behind
# plugins/engine/engine_api.h that pair_style mlpot opens). Needs neither torch nor LAMMPS nor MPI.

set(native_dir "${CMAKE_CURRENT_LIST_DIR}")
set(engine_dir "${native_dir}/../engine")
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
find_package(Threads REQUIRED)

# The kernels are compiled once for each instruction set; at run time the engine takes the best one that the processor
# supports. Results are checked for non-finite numbers, so arithmetic needs neither errno nor traps; otherwise it follows
# the standard. MLPOT_OPTIMIZATION and MLPOT_BASELINE_ONLY are for the builds in tests/.
if(MLPOT_OPTIMIZATION)
  set(kernel_optimization ${MLPOT_OPTIMIZATION})
  set(engine_optimization ${MLPOT_OPTIMIZATION})
else()
  set(kernel_optimization -O3)
  set(engine_optimization -O2)
endif()
set(kernel_objects "")
function(add_kernels name)
  add_library(mlpot_kernels_${name} OBJECT
    "${native_dir}/kernels/kernel.cpp" "${native_dir}/training/training_kernel.cpp")
  target_include_directories(mlpot_kernels_${name} PRIVATE "${native_dir}")
  target_compile_definitions(mlpot_kernels_${name} PRIVATE MLPOT_ISA=${name})
  target_compile_options(mlpot_kernels_${name} PRIVATE
    ${kernel_optimization} -fno-math-errno -fno-trapping-math -ffp-contract=fast -Wall -Wextra ${ARGN})
  set_target_properties(mlpot_kernels_${name} PROPERTIES
    CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET hidden)
  set(kernel_objects ${kernel_objects} $<TARGET_OBJECTS:mlpot_kernels_${name}> PARENT_SCOPE)
endfunction()

add_kernels(baseline)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64|amd64)$" AND NOT MLPOT_BASELINE_ONLY)
  add_kernels(avx2 -mavx2 -mfma)
  add_kernels(avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
endif()

add_library(mlpot_native STATIC
  "${native_dir}/cpu_backend.cpp"
  "${native_dir}/evaluator.cpp"
  "${native_dir}/native_engine.cpp"
  "${native_dir}/schedule.cpp"
  "${native_dir}/kernels/dispatch.cpp"
  "${native_dir}/kernels/workspace.cpp"
  "${native_dir}/model/committee_tables.cpp"
  "${native_dir}/model/folded.cpp"
  "${native_dir}/model/member_tables.cpp"
  "${native_dir}/model/parameters.cpp"
  "${native_dir}/model/polynomial.cpp"
  "${native_dir}/model/tensors.cpp"
  "${native_dir}/model/tables.cpp"
  "${native_dir}/neighbors/neighbor_list.cpp"
  "${native_dir}/neighbors/neighbor_search.cpp"
  "${native_dir}/neighbors/strided_list.cpp"
  "${native_dir}/threads/thread_pool.cpp"
  "${native_dir}/threads/thread_sums.cpp"
  "${native_dir}/threads/center_order.cpp"
  "${native_dir}/threads/touched_atoms.cpp"
  "${native_dir}/training/trainer.cpp"
  "${native_dir}/training/training_dispatch.cpp"
  "${engine_dir}/error_bars.cpp"
  "${engine_dir}/json.cpp"
  "${engine_dir}/manifest.cpp"
  "${engine_dir}/model_file.cpp"
  "${engine_dir}/self_test.cpp"
  ${kernel_objects})
set_target_properties(mlpot_native PROPERTIES
  CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET hidden)
target_compile_options(mlpot_native PRIVATE ${engine_optimization} -Wall -Wextra)
target_include_directories(mlpot_native PUBLIC "${native_dir}" "${engine_dir}")
target_link_libraries(mlpot_native PUBLIC Threads::Threads)
if(TARGET mlpot_kernels_avx2)
  target_compile_definitions(mlpot_native PRIVATE MLPOT_X86_64_LEVELS)
endif()

add_library(mlpot_engine_native MODULE "${engine_dir}/entry.cpp")
set_target_properties(mlpot_engine_native PROPERTIES
  OUTPUT_NAME mlpot_native SUFFIX ".so" CXX_STANDARD 17 CXX_STANDARD_REQUIRED ON CXX_VISIBILITY_PRESET hidden)
target_link_libraries(mlpot_engine_native PRIVATE mlpot_native)
