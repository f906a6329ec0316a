// A column-major Eigen matrix is refused, with the two ways out.
// must say: declare it Eigen::RowMajor
#include "limbeck/interop/eigen.hpp"

void misuse(Eigen::MatrixXf& logits) {
#ifdef MISUSE
  static_cast<void>(limbeck::matrix_view(logits));
#else
  static_cast<void>(limbeck::matrix_view(logits.transpose()));
#endif
}
