// The Euclidean norm of each row, y = sqrt(sum x^2), and its transpose, grad_x = grad_y x / y. At
// y = 0, where the norm has a kink, the gradient is 0: task vectors start there.
#pragma once
#include "tangent/numbers.h"

namespace taujp {

struct RowNorm {
  const void* x;     // [rows, width]
  const void* norm;  // [rows], for the transpose
  const void* grad;  // [rows], for the transpose
  void* result;      // [rows] the norms, or [rows, width] the gradient
  int64_t width;
  Dtype dtype;
};

template <class Row>
TAUJP_INLINE void row_norm(const Row& row, const RowNorm& in, int64_t index) {
  const auto x = row.of(in.x, index * in.width);
  const auto squares = row.sum([&](auto j) TAUJP_INLINE_LAMBDA { return x(j) * x(j); });
  row.put_one(in.result, index, square_root(squares));
}

template <class Row>
TAUJP_INLINE void row_norm_grad(const Row& row, const RowNorm& in, int64_t index) {
  using Number = typename Row::Number;
  const Number norm = row.one(in.norm, index), zero(0.0f);
  const Number slope = select(norm == zero, zero, row.one(in.grad, index) / norm);
  const auto x = row.of(in.x, index * in.width);
  const auto grad_x = row.into(in.result, index * in.width);
  row.each([&](auto j) TAUJP_INLINE_LAMBDA { grad_x.put(j, x(j) * slope); });
}

}  // namespace taujp
