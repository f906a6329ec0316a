// Device memory is not host memory, though both are pointers.
// must say: limbeck::cuda
#include "limbeck/core/view.hpp"

void read(limbeck::view<const float, 2, limbeck::cpu>);

void misuse(limbeck::view<const float, 2, limbeck::cpu> host, limbeck::view<const float, 2, limbeck::cuda> device) {
  read(host);
#ifdef MISUSE
  read(device);
#else
  (void)device;
#endif
}
