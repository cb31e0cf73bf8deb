// What the tangents' formulas ask of a number beside the operators: here for double and for what
// follows from the rest; for float in core/scalar.h, for a register of floats in core/lanes.h.
#pragma once
#include "core/scalar.h"

namespace taujp {

// Two roundings: fp64 is there to test the formulas, and the host has no fast fused one everywhere.
TAUJP_INLINE double fma(double a, double b, double c) { return a * b + c; }
TAUJP_INLINE double select(bool condition, double a, double b) { return condition ? a : b; }
TAUJP_INLINE double absolute(double x) { return fabs(x); }
TAUJP_INLINE float square_root(float x) { return sqrtf(x); }
TAUJP_INLINE double square_root(double x) { return sqrt(x); }

// Where one of the two is a NaN: the second.
template <class Number>
TAUJP_INLINE Number larger(Number a, Number b) {
  return select(a > b, a, b);
}

}  // namespace taujp
