// An Eigen expression that has no memory is refused by the name of the concept.
// must say: eigen_memory
#include "limbeck/interop/eigen.hpp"

void misuse(Eigen::VectorXf& a, Eigen::VectorXf& b) {
#ifdef MISUSE
  static_cast<void>(limbeck::vector_view(a + b));
#else
  static_cast<void>(limbeck::vector_view(a));
  static_cast<void>(b);
#endif
}
