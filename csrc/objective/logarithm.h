// log(x) for x >= 1, as a sum of exponentials is whose largest term is 1: in fused multiply-adds
// and one division, so that SIMD registers, the host and CUDA give the same bits.
#pragma once
#include "tangent/numbers.h"

namespace taujp {

// x = 2^n f, sqrt(1/2) <= f < sqrt(2), s = (f - 1) / (f + 1):
// log x = n ln 2 + 2 (s + s^3 / 3 + s^5 / 5 + ...), cut off after s^9, where it is within 1e-8.
template <class Number>
TAUJP_INLINE Number logarithm(Number x) {
  const auto bits = words_of(x);
  const auto exponent = (bits - words_of(Number(0.70710678f))) >> 23;
  const Number shifter(8388608.0f);  // 2^23: an integer added to its bits is added to it
  const Number n = floats_of(exponent + words_of(shifter)) - shifter;
  const Number f = floats_of(bits - (exponent << 23)), one(1.0f);
  const Number s = (f - one) / (f + one), square = s * s;
  Number series = fma(square, Number(2.0f / 9.0f), Number(2.0f / 7.0f));
  series = fma(series, square, Number(2.0f / 5.0f));
  series = fma(series, square, Number(2.0f / 3.0f));
  const Number rest = fma(series * square, s, s + s);
  // ln 2 in two pieces; the first has few enough bits for n times it to be exact.
  const Number sum = fma(n, Number(0.693359375f), fma(n, Number(-2.12194440e-4f), rest));
  return select(x == x, sum, x);
}

TAUJP_INLINE double logarithm(double x) { return log(x); }

}  // namespace taujp
