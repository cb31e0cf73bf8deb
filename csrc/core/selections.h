// Sieves that keep the same elements of all checkpoints, or what stands out of one.
#pragma once
#include <vector>

#include "core/view.h"

namespace taujp {

// SCE: of all checkpoints the elements with the floor(density * c) largest variances (equal ones:
// the lowest indices), where c have any.
std::vector<Sieve> variance_sieves(const Recipe& recipe, const View& view);

// The divergence of every row of every checkpoint [N, rows]: merge/divergence.h.
std::vector<float> row_divergences(const Recipe& recipe, const View& view);

// Arcee Fusion: importances of at least the median + 1.5 (third - first quartile), a quartile q
// being the sorted value at floor(q (size - 1)). The pieces have their factors.
std::vector<Sieve> standing_out(const Recipe& recipe, const View& view);

}  // namespace taujp
