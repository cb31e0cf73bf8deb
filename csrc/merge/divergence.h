// KL(softmax(theta) || softmax(theta0)) of a row, 1e-8 added to every probability p and q:
//   sum (p + e) log((p + e) / (q + e)) = sum (q + e) g(u),
//   u = (p - q) / (q + e), g(u) = (1 + u) log(1 + u) - u,
// since the p and the q both sum to 1. No term is negative, so that nothing cancels. Arcee Fusion's
// importance of an element is abs(tau) times its row's divergence (as in mergekit 0.1.5).
// Where a row's changes are small, p - q comes from them and not from two rounded probabilities:
//   p - q = q (x - X) / (1 + X), x = exp(tau) - 1, X = sum q x.
#pragma once
#include "objective/logarithm.h"
#include "tangent/exponential.h"

namespace taujp {

constexpr float kSmallChange = 0.125f;
constexpr float kLeastProbability = 1e-8f;

// exp(t) - 1 for abs(t) <= 1/8, within 1e-9 of its value.
template <class Number>
TAUJP_INLINE Number growth(Number t) {
  Number p = fma(t, Number(1.0f / 720), Number(1.0f / 120));
  p = fma(p, t, Number(1.0f / 24));
  p = fma(p, t, Number(1.0f / 6));
  p = fma(p, t, Number(1.0f / 2));
  return fma(p, t * t, t);
}

// g(u) for abs(u) <= exp(1/4) - 1: the series u^2 / 2 - u^3 / 6 + u^4 / 12 - ..., within 2e-8.
template <class Number>
TAUJP_INLINE Number gain(Number u) {
  Number p = fma(u, Number(1.0f / 132), Number(-1.0f / 110));
  p = fma(p, u, Number(1.0f / 90));
  p = fma(p, u, Number(-1.0f / 72));
  p = fma(p, u, Number(1.0f / 56));
  p = fma(p, u, Number(-1.0f / 42));
  p = fma(p, u, Number(1.0f / 30));
  p = fma(p, u, Number(-1.0f / 20));
  p = fma(p, u, Number(1.0f / 12));
  p = fma(p, u, Number(-1.0f / 6));
  p = fma(p, u, Number(1.0f / 2));
  return p * u * u;
}

// What a row's first look finds: the largest theta0, theta and abs(tau).
struct RowLargest {
  float old, now, change;
};

// One element's part in the row's two sums.
template <class Number>
struct Weights {
  Number old;     // exp(theta0 - its largest)
  Number second;  // small changes: that times exp(tau) - 1; else exp(theta - its largest)
};

template <class Number>
TAUJP_INLINE Weights<Number> weights_of(Number old, Number tau, const RowLargest& largest) {
  const Number weight = exponential(old - Number(largest.old));
  if (largest.change <= kSmallChange) return {weight, weight * growth(tau)};
  return {weight, exponential(old + tau - Number(largest.now))};
}

// The row's two sums, as its elements' terms need them.
struct RowSums {
  float per_old;     // 1 / sum of the old weights
  float change, by;  // small changes: X and 1 / (1 + X); else `by` is 1 / sum of the second weights
};

TAUJP_INLINE RowSums row_sums(double old, double second, const RowLargest& largest) {
  if (largest.change > kSmallChange)
    return {static_cast<float>(1.0 / old), 0.0f, static_cast<float>(1.0 / second)};
  const double change = second / old;
  return {static_cast<float>(1.0 / old), static_cast<float>(change),
          static_cast<float>(1.0 / (1.0 + change))};
}

// (q + e) g(u) of an element.
template <class Number>
TAUJP_INLINE Number divergence_term(Number old, Number tau, const RowLargest& largest,
                                    const RowSums& sums) {
  const Number least(kLeastProbability), one(1.0f);
  const Number q = exponential(old - Number(largest.old)) * Number(sums.per_old);
  const Number below = q + least;
  if (largest.change <= kSmallChange)
    return below * gain(q / below * ((growth(tau) - Number(sums.change)) * Number(sums.by)));
  const Number p = exponential(old + tau - Number(largest.now)) * Number(sums.by);
  const Number ratio = (p + least) / below;
  const auto rises = ratio >= one;
  const Number size = logarithm(select(rises, ratio, one / ratio));
  return fma(p + least, select(rises, size, Number(0.0f) - size), q - p);
}

}  // namespace taujp
