// Merging on the CPU: what to do with one parameter, or with all of a model's.
#pragma once
#include <cstdint>
#include <vector>

#include "core/recipe.h"
#include "core/statistics.h"

namespace taujp {

// True: any run of a parameter's elements can be merged by itself (ranks over the model: once
// recipe.windows is found). False: a statistic of the whole parameter comes first.
bool is_pointwise(const Recipe& recipe);

// Merges a run of elements on this thread; the recipe must be pointwise.
// Returns true when an input held a NaN or an infinity.
bool merge_run(const Recipe& recipe, const Parameter& run);

// Merges elements [begin, end) once the parameter's statistics are found: whole rows where rows are
// thinned by rank.
bool merge_known(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                 const Statistics& found);

// Merges many whole parameters; ranks over the model count along them in the order given.
// Returns for each parameter whether an input held a NaN or an infinity.
std::vector<char> merge_all(Recipe recipe, std::vector<Parameter> parameters, int threads);

// Dot products [left, K] (where column >= row) of the rows coefs [K, N] x tau [N], over all the
// parameters; of the recipe only checkpoints (N), results (K) and deltas count.
std::vector<double> products(const Recipe& recipe, const std::vector<Parameter>& parameters,
                             int left, int threads);

}  // namespace taujp
