// The variance of N numbers, sum_i (tau_i - mean)^2 up to the factor 1 / N that no ranking sees:
// SCE selects by it (Wan et al. 2024, arXiv 2408.07990). Equal numbers have exactly none.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Value>
TAUJP_INLINE Number variance_of(int count, Value value) {
  Number sum(0.0f), squares(0.0f);
  for (int i = 0; i < count; ++i) sum = sum + (value(i) - value(0));
  const Number mean = sum / Number(static_cast<float>(count));
  for (int i = 0; i < count; ++i) {
    const Number off = (value(i) - value(0)) - mean;
    squares = fma(off, off, squares);
  }
  return squares;
}

}  // namespace taujp
