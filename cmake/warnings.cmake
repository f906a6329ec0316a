# The warnings of our own build. Nothing of this reaches a project that uses limbeck: the target is not exported, and this
# file is read only when limbeck is built alone. -Werror is CMAKE_COMPILE_WARNING_AS_ERROR, set by CMakePresets.json.
add_library(limbeck_warnings INTERFACE)
target_compile_options(
  limbeck_warnings
  INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic -Wconversion>
            # -Wpedantic would warn about every line that nvcc itself writes
            $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-Xcompiler=-Wall,-Wextra>
)
# Through the components, so that the programs which compile each header alone get them as well.
target_link_libraries(limbeck INTERFACE $<BUILD_INTERFACE:limbeck_warnings>)
