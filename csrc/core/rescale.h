// Scales what a sieve keeps of a parameter.
#pragma once
#include <vector>

#include "core/recipe.h"
#include "core/survivors.h"
#include "core/view.h"

namespace taujp {

// sum abs(tau) before and after: 1 where one of them is nothing, as in mergekit.
TAUJP_INLINE float scale_of_norms(double before, double after) {
  return before < 1e-7 || after < 1e-7 ? 1.0f : static_cast<float>(before / after);
}

// Scales every sieve so that the L1 norm of what it keeps is that of the whole (mergekit).
void rescale_l1(const Recipe& recipe, const View& view, Survivors& survivors);

}  // namespace taujp
