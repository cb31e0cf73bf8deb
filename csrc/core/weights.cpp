#include "core/weights.h"

#include <algorithm>
#include <numeric>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/tiles.h"

namespace taujp {
namespace {

// Sums over a parameter of what `add(run, sums)` adds for each of its blocks, in their order.
template <class Number, class Add>
std::vector<Number> summed(const Recipe& recipe, const Parameter& parameter,
                           const std::vector<Sieve>& sieves, int threads, size_t cells, Add add) {
  const std::vector<Tile> blocks = cut_tiles({parameter}, kSumBlock);
  std::vector<Number> parts(blocks.size() * cells, 0), sums(cells, 0);
  std::vector<Scratch> scratch(std::max(1, threads));
  parallel(blocks.size(), threads, [&](int64_t block, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const Run run = make_run(recipe, parameter, blocks[block].begin, blocks[block].end,
                             sieves.empty() ? nullptr : sieves.data(), scratch[thread].get());
    add(run, parts.data() + block * cells);
  });
  for (size_t part = 0; part < parts.size(); ++part) sums[part % cells] += parts[part];
  return sums;
}

}  // namespace

std::vector<double> shares_of_squares(const std::vector<double>& squares) {
  const double total = std::accumulate(squares.begin(), squares.end(), 0.0);
  std::vector<double> shares(squares.size(), 1.0 / static_cast<double>(squares.size()));
  for (size_t i = 0; i < squares.size() && total > 0; ++i) shares[i] = squares[i] / total;
  return shares;
}

std::vector<double> factors_of_changes(const Recipe& recipe, const std::vector<int64_t>& counts) {
  const size_t n = counts.size() / 2;
  std::vector<double> factors(n, 1.0);
  for (size_t i = 0; i < n; ++i) {
    const double unique = static_cast<double>(counts[n + i]);
    const double shared = static_cast<double>(counts[i]) - unique;
    if (unique > 0) factors[i] += recipe.dials[1] * std::min(shared / unique, recipe.dials[2]);
  }
  return factors;
}

std::vector<float> weighed(const Recipe& recipe, const Parameter& parameter,
                           const std::vector<Sieve>& sieves, int threads) {
  const size_t n = recipe.checkpoints;
  std::vector<double> factors;
  if (recipe.weighting == Weighting::squares)
    factors = shares_of_squares(summed<double>(
        recipe, parameter, sieves, threads, n,
        [](const Run& run, double* sums) { level().sum_squares(run, sums); }));
  else
    factors = factors_of_changes(
        recipe, summed<int64_t>(recipe, parameter, sieves, threads, 2 * n,
                                [&](const Run& run, int64_t* counts) {
                                  const float least = static_cast<float>(recipe.dials[0]);
                                  level().count_changes(run, least, counts);
                                }));
  std::vector<float> coefs(recipe.results * n);
  for (size_t cell = 0; cell < coefs.size(); ++cell)
    coefs[cell] = static_cast<float>(parameter.coefs[cell] * factors[cell % n]);
  return coefs;
}

}  // namespace taujp
