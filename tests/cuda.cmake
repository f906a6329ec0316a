# tests/**/*_test.cu become test_cuda, and all headers of the component cuda are compiled together by the CUDA compiler. Where
# there is none, or OFF is given for LIMBECK_TEST_CUDA, all of it is skipped, saying so. The tests skip themselves where
# there is no device. (tests/cuda_shim runs the same kernels on the processor, built by the C++ compiler.)
option(LIMBECK_TEST_CUDA "Compile the CUDA tests where a CUDA compiler is found" ON)

file(GLOB_RECURSE cuda_sources CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}" "*_test.cu")
if(NOT cuda_sources AND NOT limbeck_headers_cuda)
  return()
endif()
if(NOT LIMBECK_TEST_CUDA)
  message(STATUS "limbeck: SKIPPED CUDA: LIMBECK_TEST_CUDA is OFF")
  return()
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER OR NOT "cuda" IN_LIST limbeck_ready)
  message(STATUS "limbeck: SKIPPED CUDA: no CUDA compiler and toolkit found")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90)
  set(test_architectures 80 90)
else()
  set(test_architectures ${CMAKE_CUDA_ARCHITECTURES})
endif()
enable_language(CUDA)

set(together ${limbeck_headers_cuda})
list(REMOVE_ITEM together training/training_device_cuda.hpp)  # nvcc takes a minute for it, and the program has it
list(TRANSFORM together REPLACE "(.+)" "#include \"limbeck/\\1\"\n")
list(JOIN together "" together)
file(CONFIGURE OUTPUT "cuda_headers.cu" CONTENT "@together@" @ONLY)
add_library(limbeck_cuda_headers OBJECT "${CMAKE_CURRENT_BINARY_DIR}/cuda_headers.cu")
target_link_libraries(limbeck_cuda_headers PRIVATE limbeck::cuda limbeck::training)

if(NOT cuda_sources)
  return()
endif()
# What a .cu compares with is computed by the C++ compiler, in tests/FOLDER/SUBJECT_on_cpu.cpp.
file(GLOB on_cpu CONFIGURE_DEPENDS "*/*_on_cpu.cpp")
add_executable(test_cuda ${cuda_sources} ${on_cpu})
set_target_properties(
  test_cuda PROPERTIES CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_SOURCE_DIR}/in_own_folder" CUDA_ARCHITECTURES "${test_architectures}"
)
target_link_libraries(test_cuda PRIVATE limbeck_test limbeck::cuda)
if(LIMBECK_TEST_UNITY AND "${test_architectures}" STREQUAL "80;90")
  # One pass makes both, but where kernels ask which it is: those that a cluster of blocks may run.
  set_target_properties(test_cuda PROPERTIES CUDA_ARCHITECTURES OFF)
  set_source_files_properties(${cuda_sources} PROPERTIES COMPILE_OPTIONS "--generate-code=arch=compute_80,code=[sm_80,sm_90]")
  set_source_files_properties(
    losses/soft_target_test.cu
    PROPERTIES COMPILE_OPTIONS "--generate-code=arch=compute_80,code=sm_80;--generate-code=arch=compute_90,code=sm_90"
  )
endif()
target_compile_options(test_cuda PRIVATE $<IF:$<COMPILE_LANGUAGE:CXX>,-O1,-Xcompiler=-O0>)  # of the host's code
target_compile_definitions(test_cuda PRIVATE $<$<COMPILE_LANGUAGE:CXX>:LIMBECK_HIGHEST_SIMD_LEVEL=baseline>)
limbeck_discover(test_cuda "cuda/" "*" cuda)

# What the compiler says of the registers that kernels use is kept, and read by a test.
if(Python3_FOUND)
  target_compile_options(test_cuda PRIVATE $<$<COMPILE_LANGUAGE:CUDA>:-Xptxas=-v>)
  set(launcher "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/house/keep_ptxas.py" ${CMAKE_CUDA_COMPILER_LAUNCHER})
  set_target_properties(test_cuda PROPERTIES CUDA_COMPILER_LAUNCHER "${launcher}")
  list(TRANSFORM test_architectures REPLACE "-(real|virtual)$" "")
  list(FILTER test_architectures INCLUDE REGEX "^[0-9]+a?$")
  list(TRANSFORM test_architectures PREPEND "sm_")
  add_test(NAME "house/ptxas_spills" COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/house/ptxas_spills.py"
                                             "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/test_cuda.dir" ${test_architectures})
  set_tests_properties("house/ptxas_spills" PROPERTIES LABELS house)
endif()
