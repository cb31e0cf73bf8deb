// Coefficients times what the numbers of a parameter say of each checkpoint.
#pragma once
#include <vector>

#include "core/survivors.h"
#include "core/view.h"

namespace taujp {

// [K, N]. squares: times sum tau_i^2 over the sum of all of them, of what survives (1 / N where
// all are zero). changes: times 1 + dial 1 min(shared / unique, dial 2), where tau_i has so
// many elements above dial 0 that others have too, and that no other has (1 without unique ones).
std::vector<float> weighed(const Recipe& recipe, const View& view, const Survivors& survivors);

// The same factors, of checkpoint i: from the sums of squares [N] ...
TAUJP_INLINE double share_of_squares(const double* squares, int n, int i) {
  double total = 0.0;
  for (int other = 0; other < n; ++other) total += squares[other];
  return total > 0 ? squares[i] / total : 1.0 / n;
}

// ... or from how many elements it changed, and changed alone.
TAUJP_INLINE double factor_of_changes(int64_t changed, int64_t unique, double ratio, double most) {
  if (unique == 0) return 1.0;
  const double share = static_cast<double>(changed - unique) / static_cast<double>(unique);
  return 1.0 + ratio * (share < most ? share : most);
}

}  // namespace taujp
