// The tangent of the GELUs, dy = f'(x) dx:
//   erf    f = x Phi(x)               f' = Phi(x) + x phi(x)
//   tanh   f = x (1 + tanh(u)) / 2    u = sqrt(2 / pi) (x + 0.044715 x^3)
//   quick  f = x sigmoid(1.702 x)
// The last two are x s, s = sigmoid(g), with g = 2 u and g = 1.702 x: f' = s + x g' s (1 - s).
// Hendrycks and Gimpel, arXiv 1606.08415. With e = exp(-|g|), s is 1 / (1 + e) or e / (1 + e) and
// s (1 - s) = e / (1 + e)^2: nothing overflows or cancels.
#pragma once
#include "tangent/exponential.h"

namespace taujp {

enum class Approximate : int32_t { erf, tanh, quick };

// Contiguous elements; dy = f'(x) dx.
struct GeluTangent {
  const void *x, *dx;
  void* dy;
  Dtype dtype;
  Approximate approximate;
};

struct ErfSlope {
  template <class Number>
  TAUJP_INLINE Number operator()(Number x) const {
    const Number gauss = exponential(x * x * Number(-0.5));
    const Number tail = normal_tail(absolute(x), gauss);
    const Number below = select(x < Number(0.0), tail, Number(1.0) - tail);
    return fma(x * Number(0.39894228040143267794), gauss, below);
  }
};

// s + x g' s (1 - s), s = sigmoid(g).
template <class Number>
TAUJP_INLINE Number sigmoid_slope(Number x, Number g, Number dg) {
  const Number e = exponential(Number(0.0) - absolute(g));
  const Number inverse = Number(1.0) / (Number(1.0) + e);
  const Number s = select(g < Number(0.0), e * inverse, inverse);
  // Where e is 0, x g' may have overflowed.
  return select(e == Number(0.0), s, fma(x * dg, e * inverse * inverse, s));
}

struct TanhSlope {
  template <class Number>
  TAUJP_INLINE Number operator()(Number x) const {
    const Number two_root(1.59576912160573071176);  // 2 sqrt(2 / pi)
    const Number square = x * x;
    const Number g = two_root * x * fma(square, Number(0.044715), Number(1.0));
    const Number dg = two_root * fma(square, Number(0.134145), Number(1.0));
    return sigmoid_slope(x, g, dg);
  }
};

struct QuickSlope {
  template <class Number>
  TAUJP_INLINE Number operator()(Number x) const {
    return sigmoid_slope(x, Number(1.702) * x, Number(1.702));
  }
};

template <class Slope, class Row>
TAUJP_INLINE void gelu_tangent(const Row& row, const GeluTangent& in, int64_t first) {
  const auto x = row.of(in.x, first), dx = row.of(in.dx, first);
  const auto dy = row.into(in.dy, first);
  const Slope slope;
  row.each([&](auto j) TAUJP_INLINE_LAMBDA { dy.put(j, slope(x(j)) * dx(j)); });
}

template <class Row>
TAUJP_INLINE void gelu_tangent(const Row& row, const GeluTangent& in, int64_t first) {
  switch (in.approximate) {
    case Approximate::erf: return gelu_tangent<ErfSlope>(row, in, first);
    case Approximate::tanh: return gelu_tangent<TanhSlope>(row, in, first);
    case Approximate::quick: return gelu_tangent<QuickSlope>(row, in, first);
  }
}

}  // namespace taujp
