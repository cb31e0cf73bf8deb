// exp and the normal distribution's tail, for x <= 0 and z >= 0 as the formulas need them: written
// in fused multiply-adds and one division, so that SIMD registers, the host and CUDA give the same
// bits. The coefficients are minimax fits of our own (iteratively reweighted least squares in
// float64, rounded to fp32).
#pragma once
#include "tangent/numbers.h"

namespace taujp {

// exp(x), x <= 0: x = n ln 2 + r, |r| <= ln 2 / 2, exp(r) = 1 + r + r^2 p(r) within 3.1e-9.
// Below -87, where the next power of two is no normal number: 0.
template <class Number>
TAUJP_INLINE Number exponential(Number x) {
  const Number shifter(12582912.0f);  // 1.5 * 2^23: the sum's low bits are the nearest integer
  const Number bounded = select(x < Number(-87.0f), Number(-87.0f), x);
  const Number shifted = fma(bounded, Number(1.44269504f), shifter);
  const Number n = shifted - shifter;
  // ln 2 in two pieces; the first has few enough bits for n times it to be exact.
  Number r = fma(n, Number(-0.693359375f), bounded);
  r = fma(n, Number(2.12194440e-4f), r);
  Number p = fma(r, Number(0.0013814546400681138f), Number(0.008368748240172863f));
  p = fma(p, r, Number(0.04166839271783829f));
  p = fma(p, r, Number(0.1666651964187622f));
  p = fma(p, r, Number(0.4999999403953552f));
  p = fma(p, r * r, r) + Number(1.0f);
  // A NaN's bits may have moved: it is put back.
  const Number power = floats_of(words_of(p) + (words_of(shifted) << 23));
  return select(x < Number(-87.0f), Number(0.0f), select(x == x, power, x));
}

TAUJP_INLINE double exponential(double x) { return exp(x); }

// Q(z) = 1 - Phi(z), z >= 0, given exp(-z^2 / 2): Q = exp(-z^2 / 2) t q(t), t = 1 / (1 + z / 4), q
// a polynomial of degree 6; absolute error below 1.5e-8.
template <class Number>
TAUJP_INLINE Number normal_tail(Number z, Number gauss) {
  const Number t = Number(1.0f) / fma(z, Number(0.25f), Number(1.0f));
  Number q = fma(t, Number(-0.0864521935582161f), Number(0.31546273827552795f));
  q = fma(q, t, Number(-0.21194104850292206f));
  q = fma(q, t, Number(0.2196706235408783f));
  q = fma(q, t, Number(0.06322071701288223f));
  q = fma(q, t, Number(0.09947880357503891f));
  q = fma(q, t, Number(0.10056034475564957f));
  return q * t * gauss;
}

TAUJP_INLINE double normal_tail(double z, double) { return 0.5 * erfc(z * 0.70710678118654752440); }

}  // namespace taujp
