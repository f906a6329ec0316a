// What the CUDA file of the program does for the C++ file.
#pragma once

#include <limbeck/core/executors.hpp>
#include <limbeck/core/view.hpp>

/// Queues value [samples] += the loss, gradient [samples, classes] += its slopes, all on the device.
void add_loss(const limbeck::cuda_queue& on, limbeck::view<const float, 2, limbeck::cuda> student,
              limbeck::view<const float, 2, limbeck::cuda> teacher, limbeck::view<float, 1, limbeck::cuda> value,
              limbeck::view<float, 2, limbeck::cuda> gradient);
