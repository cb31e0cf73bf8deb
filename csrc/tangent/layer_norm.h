// The tangent of y = w n + b, n = (x - mean) rstd, over each row's width elements:
//   dy = w rstd (dx - <dx> - n <dx n>) + dw n + db        <.>: the mean over the row
// Ba et al., arXiv 1607.06450. mean and rstd are the primal's own, so that x's tangent agrees with
// the y that was computed. A null dx, dw or db is zero, a null w one.
#pragma once
#include "tangent/numbers.h"

namespace taujp {

struct LayerNormTangent {
  const void *x, *dx;                    // [rows, width]
  const void *mean, *rstd;               // [rows] f32; f64 where dtype is
  const void *weight, *dweight, *dbias;  // [width]
  void* dy;                              // [rows, width]
  int64_t width;
  Dtype dtype;
};

template <class Row>
TAUJP_INLINE void layer_norm_tangent(const Row& row, const LayerNormTangent& in, int64_t index) {
  using Number = typename Row::Number;
  const Number mean = row.statistic(in.mean, index), rstd = row.statistic(in.rstd, index);
  const Number width(static_cast<float>(in.width)), zero(0.0f);
  const auto x = row.of(in.x, index * in.width);
  const auto dx = row.of(in.dx, index * in.width, zero);
  const auto weight = row.of(in.weight, 0, Number(1.0f));
  const auto dweight = row.of(in.dweight, 0, zero), dbias = row.of(in.dbias, 0, zero);
  const auto dy = row.into(in.dy, index * in.width);
  const auto n = [&](auto j) TAUJP_INLINE_LAMBDA { return (x(j) - mean) * rstd; };
  const Number mean_dx = row.sum(dx) / width;
  const Number along_n = row.sum([&](auto j) TAUJP_INLINE_LAMBDA { return dx(j) * n(j); }) / width;
  row.each([&](auto j) TAUJP_INLINE_LAMBDA {
    const Number normal = n(j);
    const Number dn = rstd * fma(zero - normal, along_n, dx(j) - mean_dx);
    dy.put(j, fma(weight(j), dn, fma(dweight(j), normal, dbias(j))));
  });
}

}  // namespace taujp
