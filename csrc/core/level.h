// Everything a SIMD level offers, compiled once for each by level_*.cpp.
#pragma once
#include "core/ranks.h"
#include "core/rows.h"
#include "core/sums.h"

namespace taujp {
namespace TAUJP_LEVEL {

TAUJP_INLINE bool aligned_for(const Target& target, int64_t first) {
  const uint64_t bytes = bytes_of(target.dtype);
  return (reinterpret_cast<uint64_t>(target.data) + first * bytes) % (bytes * kLanes) == 0;
}

template <class Steps, template <class, class> class Formula, Dtype format>
static void fold_result(const Run& run, int k, int64_t first, int64_t count) {
  if (run.past_cache && aligned_for(run.targets[k], first))
    fold_row<Steps, Formula, format, true>(run, k, first, count);
  else
    fold_row<Steps, Formula, format, false>(run, k, first, count);
}

template <class Steps, template <class, class> class Formula>
static bool merge_with(const Run& run) {
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    read_base(run, first, count, poison);
    for (int i = 0; i < run.checkpoints; ++i) {
      read_tau<Steps>(run, i, first, count, poison);
      sparsify_row<Steps>(run, i, first, count);
    }
    for (int k = 0; k < run.results; ++k) switch (run.targets[k].dtype) {
        case Dtype::f32: fold_result<Steps, Formula, Dtype::f32>(run, k, first, count); break;
        case Dtype::f16: fold_result<Steps, Formula, Dtype::f16>(run, k, first, count); break;
        case Dtype::bf16: fold_result<Steps, Formula, Dtype::bf16>(run, k, first, count); break;
      }
  }
  return any(poison != Floats(0.0f));
}

template <template <class, class> class Formula>
static bool merge_rounded(const Run& run) {
  switch (run.rounding) {
    case Rounding::exact: return merge_with<Exact, Formula>(run);
    case Rounding::f32: return merge_with<Stepwise<Dtype::f32>, Formula>(run);
    case Rounding::f16: return merge_with<Stepwise<Dtype::f16>, Formula>(run);
    default: return merge_with<Stepwise<Dtype::bf16>, Formula>(run);
  }
}

static bool merge(const Run& run) {
  switch (run.fold) {
#define TAUJP_FOLD_CASE(name, Formula) \
  case Fold::name: return merge_rounded<Formula>(run);
    TAUJP_FOLDS(TAUJP_FOLD_CASE)
#undef TAUJP_FOLD_CASE
  }
  return false;
}

static const Level this_level = {TAUJP_LEVEL_NAME, merge,          count_digits,
                                 count_equal,      sum_magnitudes, sum_products};

}  // namespace TAUJP_LEVEL
}  // namespace taujp
