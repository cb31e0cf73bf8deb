// Coefficients times what the numbers of a parameter say of each checkpoint.
#pragma once
#include <vector>

#include "core/recipe.h"

namespace taujp {

// [K, N]. squares: times sum tau_i^2 over the sum of all of them, of what the sieves keep (1 / N
// where all are zero). changes: times 1 + dial 1 min(shared / unique, dial 2), where tau_i has so
// many elements above dial 0 that others have too, and that no other has (1 without unique ones).
std::vector<float> weighed(const Recipe& recipe, const Parameter& parameter,
                           const std::vector<Sieve>& sieves, int threads);

// The same factors, from sums of squares [N] or counts of changed and of unique elements [2, N].
std::vector<double> shares_of_squares(const std::vector<double>& squares);
std::vector<double> factors_of_changes(const Recipe& recipe, const std::vector<int64_t>& counts);

}  // namespace taujp
