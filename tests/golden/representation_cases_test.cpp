// Runs the worked cases of losses on attention maps, hidden states and embeddings: loss_cases_test.cpp looks at what
// comes of them.
#include "golden/representation_cases.hpp"

#include "limbeck/backend/eigen.hpp"
