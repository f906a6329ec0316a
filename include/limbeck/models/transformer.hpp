// Embeddings and a stack of transformer blocks over one flat buffer of parameters.
#pragma once

#include "limbeck/models/transformer_class.hpp"
#include "limbeck/models/transformer_forward.hpp"
#include "limbeck/models/transformer_layout.hpp"
