# limbeck_cuda_device(TARGET): a target of C++ files gets the one .cu that make_cuda_device() needs, and the components cuda and
# training. The project enables the language CUDA itself, which no function can do for it.
set(limbeck_cuda_device_source "${CMAKE_CURRENT_LIST_DIR}/limbeck-cuda-device.cu")
function(limbeck_cuda_device target)
  if(NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "limbeck_cuda_device(${target}): the project has not enabled the language CUDA")
  endif()
  target_sources(${target} PRIVATE "${limbeck_cuda_device_source}")
  target_link_libraries(${target} PRIVATE limbeck::training limbeck::cuda)
endfunction()
