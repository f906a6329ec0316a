// cuda_measure: see measure.hpp.
#include "measure.hpp"

int main(int count, char** arguments) { return limbeck_bench::measure_device(count, arguments); }
