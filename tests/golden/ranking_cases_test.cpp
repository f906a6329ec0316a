// Runs the worked cases of ranking on the host: loss_cases_test.cpp looks at what comes of them.
#include "golden/ranking_cases.hpp"

#include "limbeck/backend/eigen.hpp"
