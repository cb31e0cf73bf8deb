// Scales what a sieve keeps of a parameter.
#pragma once
#include <vector>

#include "core/recipe.h"

namespace taujp {

// Scales every sieve so that the L1 norm of what it keeps is that of the whole (mergekit).
void rescale_l1(const Recipe& recipe, const Parameter& parameter, std::vector<Sieve>& sieves,
                int threads);

}  // namespace taujp
