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
  rank = 3,       // a coin whose odds follow the rank of abs(tau) in its row: DELLA
  variance = 4,   // the largest variances across checkpoints, the same elements of all: SCE
  importance = 5  // what stands out among all importances: Arcee Fusion
};

// What the sparsifiers that keep a window of ranks do rank.
enum class Measure : int32_t {
  magnitude = 0,   // abs(tau_i)
  variance = 1,    // merge/variance.h: one for all checkpoints
  importance = 2,  // abs(tau_i) times its row's factor: merge/divergence.h
};

constexpr Measure measure_of(Sparsifier sparsifier) {
  return sparsifier == Sparsifier::variance     ? Measure::variance
         : sparsifier == Sparsifier::importance ? Measure::importance
                                                : Measure::magnitude;
}

// Whether coefficients are those given, or are multiplied by what a parameter's numbers say.
enum class Weighting : int32_t {
  given = 0,
  squares = 1,  // share of the sum of squares that survives: SCE
  changes = 2,  // 1 + ratio min(shared / unique changes, most): RAM+
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
