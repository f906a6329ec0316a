// A stranger's CUDA program: compiled and linked; it needs no device to run.
#include <limbeck/backend/cuda_executor.hpp>

static_assert(limbeck::launchable<limbeck::cuda_executor>);

int main() { return 0; }
