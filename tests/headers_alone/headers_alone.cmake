# Every header is compiled after nothing but what it includes itself: target limbeck_headers_alone. In a file of its own, or
# where time is short (LIMBECK_TEST_UNITY) in a chain of headers, each of which includes those before it (chains.py): that
# shows the same with a third of the files. Headers of CUDA are seen by the C++ compiler with the shim in front, in a third
# of the time that nvcc would take.
add_custom_target(limbeck_headers_alone)

# limbeck_header_chains(OUT HEADER...): a list of chains, headers with spaces between them.
function(limbeck_header_chains out)
  if(NOT LIMBECK_TEST_UNITY OR NOT Python3_FOUND)
    set(${out} ${ARGN} PARENT_SCOPE)
    return()
  endif()
  set(folder "${PROJECT_SOURCE_DIR}/include/limbeck")
  execute_process(
    COMMAND "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/headers_alone/chains.py" "${folder}" ${ARGN}
    OUTPUT_VARIABLE chains
    OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY
  )
  string(REPLACE "\n" ";" chains "${chains}")
  set(${out} ${chains} PARENT_SCOPE)
  list(TRANSFORM ARGN PREPEND "${folder}/" OUTPUT_VARIABLE files)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${files})  # an include that is gone makes other chains
endfunction()

# limbeck_compile_chains(COMPONENT LINKS FIRST CHAIN...): as part of limbeck_headers_alone; FIRST comes before each chain.
function(limbeck_compile_chains component links first)
  if(NOT ARGN)
    return()
  endif()
  set(sources "")
  foreach(chain IN LISTS ARGN)
    string(REGEX REPLACE "([^ ]+) ?" "#include \"limbeck/\\1\"\n" includes "${chain}")
    string(REGEX REPLACE ".* " "" last "${chain}")
    string(MAKE_C_IDENTIFIER ${last} name)
    file(CONFIGURE OUTPUT "headers_alone/${name}.cpp" CONTENT "@first@@includes@" @ONLY)
    list(APPEND sources "${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${name}.cpp")
  endforeach()
  set(target limbeck_headers_alone_${component})
  add_library(${target} OBJECT EXCLUDE_FROM_ALL ${sources})
  target_link_libraries(${target} PRIVATE ${links})
  target_compile_options(${target} PRIVATE -O0)
  add_dependencies(limbeck_headers_alone ${target})
endfunction()

set(headers "")
foreach(component IN LISTS limbeck_ready)
  if(NOT component STREQUAL "cuda")
    list(APPEND headers ${limbeck_headers_${component}})
  endif()
endforeach()
limbeck_header_chains(chains ${headers})
foreach(component IN LISTS limbeck_ready)
  set(of_component "")
  foreach(chain IN LISTS chains)
    string(REGEX REPLACE ".* " "" last "${chain}")
    if(last IN_LIST limbeck_headers_${component})
      list(APPEND of_component "${chain}")
    endif()
  endforeach()
  limbeck_compile_chains(${component} limbeck::${component} "" ${of_component})
endforeach()

limbeck_header_chains(chains ${limbeck_headers_cuda})
limbeck_compile_chains(cuda_by_shim limbeck_test "#include \"cuda_shim/cublas_lt_shim.hpp\"\n" ${chains})
