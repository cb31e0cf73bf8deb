#include "core/weights.h"

#include "core/summed.h"

namespace taujp {
namespace {

std::vector<double> by_squares(const Recipe& recipe, const View& view, const Survivors& survivors) {
  const int n = recipe.checkpoints;
  const auto squares = summed<double>(recipe, view, survivors, n, level().sum_squares);
  std::vector<double> factors;
  for (int i = 0; i < n; ++i) factors.push_back(share_of_squares(squares.data(), n, i));
  return factors;
}

std::vector<double> by_changes(const Recipe& recipe, const View& view, const Survivors& survivors) {
  const int n = recipe.checkpoints;
  const auto count = [&](const Run& run, int64_t* counts) {
    level().count_changes(run, static_cast<float>(recipe.dials[0]), counts);
  };
  const auto counts = summed<int64_t>(recipe, view, survivors, 2 * n, count);
  std::vector<double> factors;
  for (int i = 0; i < n; ++i)
    factors.push_back(
        factor_of_changes(counts[i], counts[n + i], recipe.dials[1], recipe.dials[2]));
  return factors;
}

}  // namespace

std::vector<float> weighed(const Recipe& recipe, const View& view, const Survivors& survivors) {
  const size_t n = recipe.checkpoints;
  const std::vector<double> factors = recipe.weighting == Weighting::squares
                                          ? by_squares(recipe, view, survivors)
                                          : by_changes(recipe, view, survivors);
  std::vector<float> coefs(recipe.results * n);
  for (size_t cell = 0; cell < coefs.size(); ++cell)
    coefs[cell] = static_cast<float>(view.parameter.coefs[cell] * factors[cell % n]);
  return coefs;
}

}  // namespace taujp
