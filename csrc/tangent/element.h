// One element of a tensor as a number: fp64 stays double, everything else is computed in fp32.
#pragma once
#include "tangent/numbers.h"

namespace taujp {

template <Dtype>
struct Element {
  using Number = float;
};
template <>
struct Element<Dtype::f64> {
  using Number = double;
};
template <Dtype format>
using NumberOf = typename Element<format>::Number;

template <Dtype format>
TAUJP_INLINE NumberOf<format> load_element(const void* data, int64_t index) {
  if constexpr (format == Dtype::f64)
    return static_cast<const double*>(data)[index];
  else
    return load(Source{data, format}, index);
}

template <Dtype format>
TAUJP_INLINE void store_element(void* data, int64_t index, NumberOf<format> x) {
  if constexpr (format == Dtype::f64)
    static_cast<double*>(data)[index] = x;
  else
    store(Target{data, format}, index, x);
}

TAUJP_INLINE const void* advanced(const void* data, int64_t elements, Dtype dtype) {
  if (data == nullptr) return nullptr;
  return static_cast<const char*>(data) + elements * static_cast<int64_t>(bytes_of(dtype));
}

// The accumulators of a row's sum: accumulator l takes the elements l, l + 32, ... in order, then
// they are added as a tree, 16 pairs first. So every level, and a CUDA warp, gets the same bits.
constexpr int kSumLanes = 32;

}  // namespace taujp
