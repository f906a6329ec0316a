# tests/**/*_test.cu become test_cuda, and every header of the component cuda is compiled alone by the CUDA compiler. Where
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
endif()
enable_language(CUDA)

set(alone "")
foreach(header IN LISTS limbeck_headers_cuda)
  string(MAKE_C_IDENTIFIER ${header} name)
  file(CONFIGURE OUTPUT "cuda_headers/${name}.cu" CONTENT "#include \"limbeck/@header@\"\n" @ONLY)
  list(APPEND alone "${CMAKE_CURRENT_BINARY_DIR}/cuda_headers/${name}.cu")
endforeach()
add_library(limbeck_cuda_headers OBJECT ${alone})
target_link_libraries(limbeck_cuda_headers PRIVATE limbeck::cuda)

if(cuda_sources)
  # What a .cu compares with is computed by the C++ compiler, in tests/FOLDER/SUBJECT_on_cpu.cpp.
  file(GLOB on_cpu CONFIGURE_DEPENDS "*/*_on_cpu.cpp")
  add_executable(test_cuda ${cuda_sources} ${on_cpu})
  set_target_properties(test_cuda PROPERTIES CROSSCOMPILING_EMULATOR "${CMAKE_CURRENT_SOURCE_DIR}/in_own_folder")
  target_link_libraries(test_cuda PRIVATE limbeck_test limbeck::cuda)
  limbeck_discover(test_cuda "cuda/" "*" cuda)
endif()

# Reads what the compiler says of the registers that row kernels use.
if(cuda_sources AND Python3_FOUND)
  add_test(NAME "house/ptxas_spills" COMMAND Python3::Interpreter "${CMAKE_CURRENT_SOURCE_DIR}/house/ptxas_spills.py"
                                             "${PROJECT_SOURCE_DIR}" "${CMAKE_CUDA_COMPILER}")
  set_tests_properties("house/ptxas_spills" PROPERTIES LABELS house SKIP_RETURN_CODE 77 TIMEOUT 600)
endif()
