// The matrix product that runs beside PyTorch's: the best one that this build found.
#pragma once

#if defined(LIMBECK_PEER_HAS_ONEDNN)
#include "limbeck/backend/onednn.hpp"
using provider = limbeck::onednn_provider;
#else
#include "limbeck/backend/eigen.hpp"
using provider = limbeck::eigen_provider;
#endif
