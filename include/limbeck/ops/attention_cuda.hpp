// Attention on a device. Scores live 32 keys at a time: nothing as large as length x length is held, forward or
// backward, but the maps that a loss asked for.
#pragma once

#include "limbeck/ops/attention_backward_cuda.hpp"
#include "limbeck/ops/attention_forward_cuda.hpp"
