// Runs the worked cases of losses on attention distributions and self-attention relations: loss_cases_test.cpp looks at
// what comes of them.
#include "golden/relation_cases.hpp"
