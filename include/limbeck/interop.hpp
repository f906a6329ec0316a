// Everything in limbeck/interop.
#pragma once

#include "limbeck/interop/eigen.hpp"
#include "limbeck/interop/span.hpp"
