// Everything a SIMD level offers, compiled once for each by level_*.cpp.
#pragma once
#include "core/chosen.h"
#include "core/divergences.h"
#include "core/folding.h"
#include "core/noted.h"
#include "core/ranks.h"
#include "core/rows.h"
#include "core/sums.h"
#include "core/thin.h"
#include "core/weighing.h"

namespace taujp {
namespace TAUJP_LEVEL {

template <class Steps, template <class, class> class Formula, bool normalize>
static void merge_row(const Run& run, int64_t first, int64_t count, Floats& poison) {
  read_base(run, first, count, poison);
  for (int i = 0; i < run.checkpoints; ++i) read_survivors<Steps>(run, i, first, count, poison);
  FromRows taus{run};
  fold_results<Steps, Formula, normalize>(run, taus, first, count);
}

template <template <class, class> class Formula, bool normalize, Dtype format, bool has_base>
static void merge_row_directly(const Run& run, int64_t first, Floats& poison) {
  FromSources<format, has_base> taus{run, first, Floats(0.0f)};
  fold_results<Exact, Formula, normalize>(run, taus, first, kRow);
  poison = poison + taus.poison;
}

// The direct way for this run, or null: whole rows of sources of one format, nothing sparsified.
using DirectRow = void (*)(const Run& run, int64_t first, Floats& poison);

template <template <class, class> class Formula, bool normalize, Dtype format>
static DirectRow direct_row_of(const Run& run) {
  for (int i = 0; i < run.checkpoints; ++i)
    if (run.sources[i].dtype != format) return nullptr;
  if (run.base.data == nullptr) return merge_row_directly<Formula, normalize, format, false>;
  return run.base.dtype == format ? merge_row_directly<Formula, normalize, format, true> : nullptr;
}

template <template <class, class> class Formula, bool normalize>
static DirectRow direct_row(const Run& run) {
  if (run.sieves != nullptr || run.rounding != Rounding::exact) return nullptr;
  switch (run.sources[0].dtype) {
    case Dtype::f32: return direct_row_of<Formula, normalize, Dtype::f32>(run);
    case Dtype::f16: return direct_row_of<Formula, normalize, Dtype::f16>(run);
    default: return direct_row_of<Formula, normalize, Dtype::bf16>(run);
  }
}

template <class Steps, template <class, class> class Formula, bool normalize>
static bool merge_with(const Run& run) {
  const DirectRow direct = direct_row<Formula, normalize>(run);
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    if (direct != nullptr && count == kRow)
      direct(run, first, poison);
    else
      merge_row<Steps, Formula, normalize>(run, first, count, poison);
  }
  return any(poison != Floats(0.0f));
}

template <template <class, class> class Formula, bool normalize>
static bool merge_rounded(const Run& run) {
  switch (run.rounding) {
    case Rounding::exact: return merge_with<Exact, Formula, normalize>(run);
    case Rounding::f32: return merge_with<Stepwise<Dtype::f32>, Formula, normalize>(run);
    case Rounding::f16: return merge_with<Stepwise<Dtype::f16>, Formula, normalize>(run);
    default: return merge_with<Stepwise<Dtype::bf16>, Formula, normalize>(run);
  }
}

static bool merge(const Run& run) {
  switch (run.fold) {
#define TAUJP_FOLD_CASE(name, Formula) \
  case Fold::name:                     \
    return run.normalize ? merge_rounded<Formula, true>(run) : merge_rounded<Formula, false>(run);
    TAUJP_FOLDS(TAUJP_FOLD_CASE)
#undef TAUJP_FOLD_CASE
  }
  return false;
}

static const Level this_level = {
    TAUJP_LEVEL_NAME, merge,       count_digits,  gather,      note, count_equal, sum_magnitudes,
    sum_products,     sum_squares, count_changes, divergences, thin, choose};

}  // namespace TAUJP_LEVEL
}  // namespace taujp
