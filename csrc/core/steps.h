// The two rounding policies. A formula says `add_product` and `round`; the policy decides where
// rounding happens. Exact: fused multiply-add in fp32, rounded once at the end. Stepwise: after
// every step to the output format, as plain tensor operations in that dtype do; sums still run in
// fp32 and are rounded when complete, as torch's do.
#pragma once
#include "core/portable.h"
#include "core/tensor.h"

namespace taujp {

struct Exact {
  template <class Number>
  static TAUJP_INLINE Number round(Number x) {
    return x;
  }
  template <class Number>
  static TAUJP_INLINE Number product(Number tau, Number weight) {
    return tau * weight;
  }
  template <class Number>
  static TAUJP_INLINE Number add_product(Number sum, Number tau, Number weight) {
    return fma(tau, weight, sum);
  }
};

template <Dtype format>
struct Stepwise {
  template <class Number>
  static TAUJP_INLINE Number round(Number x) {
    return round_as(x, As<format>());
  }
  template <class Number>
  static TAUJP_INLINE Number product(Number tau, Number weight) {
    return round(tau * weight);
  }
  template <class Number>
  static TAUJP_INLINE Number add_product(Number sum, Number tau, Number weight) {
    return sum + product(tau, weight);
  }
};

}  // namespace taujp
