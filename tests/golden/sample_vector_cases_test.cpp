// Runs the worked cases of losses on the directions of hidden states and on vectors of samples on the host:
// loss_cases_test.cpp looks at what comes of them.
#include "golden/sample_vector_cases.hpp"
