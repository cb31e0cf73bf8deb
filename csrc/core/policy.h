// The choices that are made once a merge.
#pragma once
#include <cstdint>

#include "merge/folds.h"

namespace taujp {

// How survivors become one: the formulas of merge/, by name.
enum class Fold : int32_t {
#define TAUJP_FOLD_NAME(name, Formula) name,
  TAUJP_FOLDS(TAUJP_FOLD_NAME)
#undef TAUJP_FOLD_NAME
};

// Which elements of a task vector survive.
enum class Sparsifier : int32_t {
  none = 0,
  magnitude = 1,  // a window of ranks of abs(tau): TIES' trim, breadcrumbs
  random = 2,     // an independent coin for each element: DARE
};

// How survivors are scaled up for those that were dropped.
enum class Rescale : int32_t {
  none = 0,
  density = 1,  // 1 / density (DARE's paper)
  l1 = 2,       // sum abs(tau) before / after (mergekit)
};

// exact: one rounding, at the end. The others round after every step to that format, as a chain
// of plain tensor operations in that dtype would.
enum class Rounding : int32_t { exact = 0, f32 = 1, f16 = 2, bf16 = 3 };

}  // namespace taujp
