// A loss on the host does not take signals of the device.
// must say: no match for call|no matching function for call
#include "limbeck/losses/soft_target.hpp"

void misuse(const limbeck::signals<const float, limbeck::cpu>& host,
            const limbeck::signals<const float, limbeck::cuda>& device, const limbeck::sink<float, limbeck::cpu>& out) {
  limbeck::soft_target_kl{}(limbeck::cpu_executor<>{}, host, host, limbeck::targets<float>{}, out);
#ifdef MISUSE
  limbeck::soft_target_kl{}(limbeck::cpu_executor<>{}, host, device, limbeck::targets<float>{}, out);
#else
  (void)device;
#endif
}
