# A stranger's projects: each way to use limbeck, tried by run.cmake in a fresh folder.
if(NOT LIMBECK_INSTALL)
  message(STATUS "limbeck: SKIPPED tests/package: LIMBECK_INSTALL is OFF")
  return()
endif()

set(ways find_package add_subdirectory fetch_content fetch_content_override pkg_config moved_prefix wrong_version
         unknown_component optional_component embedding)
if("training" IN_LIST limbeck_ready AND "blas" IN_LIST limbeck_ready)
  list(APPEND ways components)
else()
  message(STATUS "limbeck: SKIPPED tests/package/components: it needs the packages of every component")
endif()
if(CMAKE_CUDA_COMPILER AND "cuda" IN_LIST limbeck_ready)
  list(APPEND ways cuda cuda_mixed)
  if("training" IN_LIST limbeck_ready)
    list(APPEND ways cuda_training)
  endif()
else()
  message(STATUS "limbeck: SKIPPED tests/package/cuda, cuda_mixed and cuda_training: no CUDA compiler or component")
endif()

foreach(way IN LISTS ways)
  add_test(
    NAME "package/${way}"
    COMMAND
      "${CMAKE_COMMAND}" -D way=${way} -D source=${PROJECT_SOURCE_DIR} -D build=${PROJECT_BINARY_DIR}
      -D work=${CMAKE_CURRENT_BINARY_DIR}/package/${way} -D generator=${CMAKE_GENERATOR} -D compiler=${CMAKE_CXX_COMPILER}
      -D cuda_compiler=${CMAKE_CUDA_COMPILER} -P "${CMAKE_CURRENT_SOURCE_DIR}/package/run.cmake"
  )
  set_tests_properties("package/${way}" PROPERTIES LABELS package TIMEOUT 300
                                                    SKIP_REGULAR_EXPRESSION "limbeck skipped: ")
endforeach()
