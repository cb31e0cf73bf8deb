#include "core/rescale.h"

#include "core/summed.h"

namespace taujp {

void rescale_l1(const Recipe& recipe, const View& view, Survivors& survivors) {
  const int n = recipe.checkpoints;
  const auto sums = summed<double>(recipe, view, survivors, 2 * n, level().sum_magnitudes);
  for (int i = 0; i < n; ++i) survivors.sieves[i].scale = scale_of_norms(sums[i], sums[n + i]);
}

}  // namespace taujp
