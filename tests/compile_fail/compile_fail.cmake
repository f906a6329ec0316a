# Misuse that must not compile. Every tests/compile_fail/NAME.cpp says what the compiler must print in a line
# `// must say: REGEX`; without the block `#ifdef MISUSE` it compiles.
file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/*.cpp")
foreach(source IN LISTS sources)
  get_filename_component(name ${source} NAME_WE)
  add_test(
    NAME "compile_fail/${name}"
    COMMAND
      "${CMAKE_COMMAND}" -D file=${source} -D compiler=${CMAKE_CXX_COMPILER}
      "-Dincludes=${PROJECT_SOURCE_DIR}/include;$<TARGET_PROPERTY:Eigen3::Eigen,INTERFACE_INCLUDE_DIRECTORIES>" -P
      "${CMAKE_CURRENT_LIST_DIR}/run.cmake"
  )
  set_tests_properties("compile_fail/${name}" PROPERTIES LABELS compile_fail)
endforeach()
