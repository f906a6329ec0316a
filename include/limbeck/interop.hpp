// Everything in limbeck/interop that needs Eigen only.
#pragma once

#include "limbeck/interop/eigen.hpp"
#include "limbeck/interop/pointer.hpp"
#include "limbeck/interop/span.hpp"
