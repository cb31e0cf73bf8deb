// tau = theta - theta0, the direction of every tangent: the difference is formed in fp32 and
// rounded once. Casting theta and theta0 first loses it: they agree in their leading bits.
#pragma once
#include "tangent/numbers.h"

namespace taujp {

// theta and theta0 of one dtype.
struct Delta {
  const void *theta, *theta0;
  void* tau;
  Dtype dtype, result;
};

template <class Row>
TAUJP_INLINE void delta(const Row& row, const Delta& in, int64_t first) {
  const auto theta = row.of(in.theta, first), theta0 = row.of(in.theta0, first);
  row.each([&](auto j) TAUJP_INLINE_LAMBDA {
    row.put_as(in.tau, in.result, first, j, theta(j) - theta0(j));
  });
}

}  // namespace taujp
