# Compiles one file twice: as it is, which must work, and with MISUSE defined, which must fail with the words that the file
# announces. compile_fail.cmake names the variables.
cmake_minimum_required(VERSION 3.25)
set(command "${compiler}" -std=c++20 -fsyntax-only)
foreach(folder IN LISTS includes)
  list(APPEND command -isystem "${folder}")
endforeach()

file(STRINGS "${file}" line REGEX "^// must say: " LIMIT_COUNT 1)
string(REPLACE "// must say: " "" words "${line}")
if(words STREQUAL "")
  message(FATAL_ERROR "${file} does not say what the compiler must print")
endif()

execute_process(COMMAND ${command} "${file}" RESULT_VARIABLE status ERROR_VARIABLE output)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "without MISUSE it must compile:\n${output}")
endif()
execute_process(COMMAND ${command} -DMISUSE "${file}" RESULT_VARIABLE status ERROR_VARIABLE output)
if(status EQUAL 0)
  message(FATAL_ERROR "with MISUSE it must not compile")
elseif(NOT output MATCHES "${words}")
  message(FATAL_ERROR "it fails without saying '${words}':\n${output}")
endif()
