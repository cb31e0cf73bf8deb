#include "core/weights.h"

#include <algorithm>

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

std::vector<double> by_squares(const Recipe& recipe, const Parameter& parameter,
                               const std::vector<Sieve>& sieves, int threads) {
  const int n = recipe.checkpoints;
  const auto squares = summed<double>(recipe, parameter, sieves, threads, n, level().sum_squares);
  std::vector<double> factors;
  for (int i = 0; i < n; ++i) factors.push_back(share_of_squares(squares.data(), n, i));
  return factors;
}

std::vector<double> by_changes(const Recipe& recipe, const Parameter& parameter,
                               const std::vector<Sieve>& sieves, int threads) {
  const int n = recipe.checkpoints;
  const auto count = [&](const Run& run, int64_t* counts) {
    level().count_changes(run, static_cast<float>(recipe.dials[0]), counts);
  };
  const auto counts = summed<int64_t>(recipe, parameter, sieves, threads, 2 * n, count);
  std::vector<double> factors;
  for (int i = 0; i < n; ++i)
    factors.push_back(
        factor_of_changes(counts[i], counts[n + i], recipe.dials[1], recipe.dials[2]));
  return factors;
}

}  // namespace

std::vector<float> weighed(const Recipe& recipe, const Parameter& parameter,
                           const std::vector<Sieve>& sieves, int threads) {
  const size_t n = recipe.checkpoints;
  const std::vector<double> factors = recipe.weighting == Weighting::squares
                                          ? by_squares(recipe, parameter, sieves, threads)
                                          : by_changes(recipe, parameter, sieves, threads);
  std::vector<float> coefs(recipe.results * n);
  for (size_t cell = 0; cell < coefs.size(); ++cell)
    coefs[cell] = static_cast<float>(parameter.coefs[cell] * factors[cell % n]);
  return coefs;
}

}  // namespace taujp
