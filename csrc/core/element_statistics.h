// What statistics see of one element of a merge, or sum of some, as a CUDA thread does it.
#pragma once
#include "core/element.h"

namespace taujp {

// The digit that round `query.round` counts, or -1 for an element without the prefix.
TAUJP_INLINE int digit_of(float measure, const RankQuery& query, int rank) {
  const uint32_t bits = magnitude_bits(measure);
  if (query.round == 0) return static_cast<int>(bits >> 20);
  const int shift = query.round == 1 ? 10 : 0;
  return bits >> (shift + 10) == query.prefix[rank] ? static_cast<int>(bits >> shift & 0x3ffu) : -1;
}

// One of the 16 accumulators of core/sums.h: elements begin + lane, begin + lane + 16, ...
template <class Term>
TAUJP_INLINE double lane_sum(int64_t begin, int64_t end, int lane, Term term) {
  double sum = 0.0;
  for (int64_t j = begin + lane; j < end; j += 16) sum += term(j);
  return sum;
}

// The parts of merge/divergence.h for a row of tau_i: of elements begin, begin + step, ...
TAUJP_INLINE RowLargest largest_of_row(const Run& run, int i, int64_t begin, int64_t end,
                                       int64_t step) {
  RowLargest largest{-INFINITY, -INFINITY, 0.0f};
  for (int64_t j = begin; j < end; j += step) {
    const float old = load(run.base, j), tau = tau_as_asked(run, i, j);
    largest.old = larger(old, largest.old);
    largest.now = larger(old + tau, largest.now);
    largest.change = larger(absolute(tau), largest.change);
  }
  return largest;
}

TAUJP_INLINE Weights<float> weights_at(const Run& run, int i, int64_t j,
                                       const RowLargest& largest) {
  return weights_of(load(run.base, j), tau_as_asked(run, i, j), largest);
}

TAUJP_INLINE float divergence_at(const Run& run, int i, int64_t j, const RowLargest& largest,
                                 const RowSums& sums) {
  return divergence_term(load(run.base, j), tau_as_asked(run, i, j), largest, sums);
}

// Row k of combined task vectors at element j.
TAUJP_INLINE float combined_at(const Run& run, int k, int64_t j) {
  float sum = 0.0f;
  for (int i = 0; i < run.checkpoints; ++i)
    sum =
        fma(tau_as_asked(run, i, j), run.coefs[static_cast<int64_t>(k) * run.checkpoints + i], sum);
  return sum;
}

}  // namespace taujp
