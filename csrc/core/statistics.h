// The statistics that come before a merge: what each sieve keeps and how it is scaled.
#pragma once
#include <vector>

#include "core/recipe.h"
#include "core/run.h"

namespace taujp {

// The rank windows over the elements of all the parameters together: one sieve a checkpoint, its
// cuts counted along the parameters in the order given.
std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Parameter>& parameters,
                                 int threads);

// The part of those windows that falls on the parameter whose first element is the `offset`-th.
std::vector<Sieve> shifted(std::vector<Sieve> sieves, int64_t offset);

// Scales every sieve so that the L1 norm of what it keeps is that of the whole (mergekit).
void rescale_l1(const Recipe& recipe, const Parameter& parameter, std::vector<Sieve>& sieves,
                int threads);

}  // namespace taujp
