// A stray template argument is a readable error: the place of a view is a backend.
// must say: is_backend|backend<
#include "limbeck/core/view.hpp"

#ifdef MISUSE
limbeck::view<float, 1, int> nowhere;
#else
limbeck::view<float, 1, limbeck::cpu> somewhere;
#endif
