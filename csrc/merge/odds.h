// DELLA's odds: of a row's m elements the one with rank r of abs(tau), from 0 (equal ones by index)
// to m - 1, stays with p = density + spread (2 r / (m - 1) - 1); alone in its row with p = density.
// Deep et al. 2024, arXiv 2406.11617. In float64, so that every level and CUDA toss for the same.
#pragma once
#include <cmath>
#include <cstdint>

#include "core/portable.h"

namespace taujp {

TAUJP_INLINE double odds_of(int64_t rank, int64_t row, double density, double spread) {
  if (row == 1) return density;
  const double place = 2.0 * static_cast<double>(rank) / static_cast<double>(row - 1);
  return density + spread * (place - 1.0);
}

// A coin (core/random.h) below this keeps the element.
TAUJP_INLINE uint32_t limit_of(double odds) {
  const double limit = rint(odds * 4294967296.0);
  return limit >= 4294967295.0 ? 0xffffffffu : static_cast<uint32_t>(limit);
}

// The rank of element j of a row, given each of its elements as a float: by counting.
template <class Value>
TAUJP_INLINE int64_t rank_in_row(int64_t row, int64_t j, Value value) {
  const uint32_t mine = magnitude_bits(value(j));
  int64_t rank = 0;
  for (int64_t k = 0; k < row; ++k) {
    const uint32_t other = magnitude_bits(value(k));
    rank += other < mine || (other == mine && k < j);
  }
  return rank;
}

}  // namespace taujp
