// Sums and counts that coefficients are weighed by: see core/statistics.h.
// Included by core/level.h inside a level.
#pragma once
#include "core/sums.h"

namespace taujp {
namespace TAUJP_LEVEL {

// Calls visit(elements) for every row of the run, its tau sparsified in the scratch.
template <class Visit>
TAUJP_INLINE void each_survivors(const Run& run, Visit visit) {
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    read_base(run, first, count, poison);
    for (int i = 0; i < run.checkpoints; ++i) read_survivors_as_asked(run, i, first, count);
    visit(count);
  }
}

// dot_row(x, x), of half the conversions.
static double square_row(const float* x, int64_t count) {
  Sum16 sum;
  sum.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA {
    const double value = x[j];
    return value * value;
  });
  return sum.total();
}

static void sum_squares(const Run& run, double* sums) {
  each_survivors(run, [&](int64_t count) TAUJP_INLINE_LAMBDA {
    for (int i = 0; i < run.checkpoints; ++i) sums[i] += square_row(row_of(run, i), count);
  });
}

static void count_changes(const Run& run, float least, int64_t* counts) {
  const Floats limit(least);
  const auto changed = [&](int i, int64_t j)
                           TAUJP_INLINE_LAMBDA { return absolute(at(row_of(run, i), j)) > limit; };
  each_survivors(run, [&](int64_t count) TAUJP_INLINE_LAMBDA {
    for (int64_t j = 0; j < count; j += kLanes) {
      const Mask inside =
          (lane_numbers() + Words(static_cast<uint32_t>(j))) < Words(static_cast<uint32_t>(count));
      Words sharers(0u);
      for (int i = 0; i < run.checkpoints; ++i)
        sharers = sharers + select(changed(i, j) & inside, Words(1u), Words(0u));
      const Mask alone = sharers == Words(1u);
      for (int i = 0; i < run.checkpoints; ++i) {
        const Mask mine = changed(i, j) & inside;
        counts[i] += __builtin_popcount(lane_set(mine));
        counts[run.checkpoints + i] += __builtin_popcount(lane_set(mine & alone));
      }
    }
  });
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
