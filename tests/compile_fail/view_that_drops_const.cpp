// A view adds const and never takes it away.
// must say: view<const float, ?1
#include "limbeck/core/view.hpp"

void misuse(limbeck::view<const float, 1> read_only) {
#ifdef MISUSE
  limbeck::view<float, 1> writable = read_only;
#else
  limbeck::view<const float, 1> writable = read_only;
#endif
  (void)writable;
}
