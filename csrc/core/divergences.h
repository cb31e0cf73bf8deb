// merge/divergence.h over rows: three looks at each, in chunks that stay in the cache.
// Included by core/level.h inside a level.
#pragma once
#include "core/sums.h"
#include "merge/divergence.h"

namespace taujp {
namespace TAUJP_LEVEL {

// Calls visit(theta0, tau, elements) for the chunks of a row, kRow each.
template <class Visit>
TAUJP_INLINE void each_chunk(const Run& run, int i, int64_t begin, Visit visit) {
  Floats poison(0.0f);
  for (int64_t first = begin; first < begin + run.row; first += kRow) {
    const int64_t left = begin + run.row - first, count = left < kRow ? left : kRow;
    read_base(run, first, count, poison);
    read_tau_as_asked(run, i, first, count);
    visit(row_of(run, run.checkpoints), row_of(run, i), count);
  }
}

TAUJP_INLINE float largest_lane(Floats x) {
  float largest = x.bits[0];
  for (int lane = 1; lane < kLanes; ++lane) largest = larger(x.bits[lane], largest);
  return largest;
}

static RowLargest largest_of_row(const Run& run, int i, int64_t begin) {
  const Floats least(-INFINITY);
  Floats old = least, now = least, change = Floats(0.0f);
  each_chunk(run, i, begin,
             [&](const float* base, const float* tau, int64_t count) TAUJP_INLINE_LAMBDA {
               for (int64_t j = 0; j < count; j += kLanes) {
                 const Mask inside = (lane_numbers() + Words(static_cast<uint32_t>(j))) <
                                     Words(static_cast<uint32_t>(count));
                 const Floats theta0 = at(base, j), moved = at(tau, j);
                 old = larger(select(inside, theta0, least), old);
                 now = larger(select(inside, theta0 + moved, least), now);
                 change = larger(select(inside, absolute(moved), Floats(0.0f)), change);
               }
             });
  return {largest_lane(old), largest_lane(now), largest_lane(change)};
}

static RowSums sums_of_row(const Run& run, int i, int64_t begin, const RowLargest& largest) {
  Sum16 old, second;
  float *olds = row_of(run, run.checkpoints + 1), *seconds = row_of(run, run.checkpoints + 2);
  each_chunk(run, i, begin,
             [&](const float* base, const float* tau, int64_t count) TAUJP_INLINE_LAMBDA {
               for (int64_t j = 0; j < count; j += kLanes) {
                 const Weights<Floats> weights = weights_of(at(base, j), at(tau, j), largest);
                 put(olds, j, weights.old);
                 put(seconds, j, weights.second);
               }
               old.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA { return olds[j]; });
               second.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA { return seconds[j]; });
             });
  return row_sums(old.total(), second.total(), largest);
}

static float divergence_of_row(const Run& run, int i, int64_t begin) {
  const RowLargest largest = largest_of_row(run, i, begin);
  const RowSums sums = sums_of_row(run, i, begin, largest);
  float* terms = row_of(run, run.checkpoints + 1);
  Sum16 sum;
  each_chunk(run, i, begin,
             [&](const float* base, const float* tau, int64_t count) TAUJP_INLINE_LAMBDA {
               for (int64_t j = 0; j < count; j += kLanes)
                 put(terms, j, divergence_term(at(base, j), at(tau, j), largest, sums));
               sum.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA { return terms[j]; });
             });
  return static_cast<float>(sum.total());
}

static void divergences(const Run& run, int i, float* factors) {
  for (int64_t begin = run.begin; begin < run.end; begin += run.row)
    *factors++ = divergence_of_row(run, i, begin);
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
