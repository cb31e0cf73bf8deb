// What stands out of a checkpoint.
#pragma once
#include <vector>

#include "core/view.h"

namespace taujp {

// The divergence of every row of every checkpoint [N, rows]: merge/divergence.h.
std::vector<float> row_divergences(const Recipe& recipe, const View& view);

// Arcee Fusion: importances of at least the median + 1.5 (third - first quartile), a quartile q
// being the sorted value at floor(q (size - 1)). The pieces have their factors.
std::vector<Sieve> standing_out(const Recipe& recipe, const View& view);

}  // namespace taujp
