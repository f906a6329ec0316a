// Everything in limbeck/ops.
#pragma once

#include "limbeck/ops/activation.hpp"
#include "limbeck/ops/argmax.hpp"
#include "limbeck/ops/attention.hpp"
#include "limbeck/ops/attention_shape.hpp"
#include "limbeck/ops/dropout.hpp"
#include "limbeck/ops/elementwise.hpp"
#include "limbeck/ops/embedding.hpp"
#include "limbeck/ops/layer_norm.hpp"
#include "limbeck/ops/linear.hpp"
#include "limbeck/ops/matmul.hpp"
#include "limbeck/ops/maxsim.hpp"
