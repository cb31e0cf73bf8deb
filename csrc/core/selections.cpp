#include "core/selections.h"

#include <cstring>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/sieves.h"
#include "core/windows.h"

namespace taujp {
namespace {

constexpr int64_t kRowsTogether = 1 << 14;  // elements of the rows that one thread takes at a time

}  // namespace

std::vector<Sieve> variance_sieves(const Recipe& recipe, const Parameter& parameter, int threads) {
  std::vector<Sieve> sieves(recipe.checkpoints);
  if (parameter.size == 0) return sieves;
  const std::vector<Parameter> all = {parameter};
  const int64_t varied = parameter.size - count_zeros(recipe, all, threads);
  RankSearch search;
  search.size = parameter.size;
  search.wanted[0] = static_cast<int64_t>(recipe.density[0] * static_cast<double>(varied));
  const Above keep = find_edges(recipe, cut_tiles(all), from_memory(all), threads, {search})[0];
  for (Sieve& sieve : sieves) sieve.keep = keep;
  return sieves;
}

std::vector<float> row_divergences(const Recipe& recipe, const Parameter& parameter, int threads) {
  const int64_t rows = parameter.size / std::max<int64_t>(parameter.row, 1);
  const int64_t together =
      std::max<int64_t>(1, kRowsTogether / std::max<int64_t>(parameter.row, 1));
  const int64_t parts = (rows + together - 1) / together;
  std::vector<float> factors(rows * recipe.checkpoints);
  std::vector<Scratch> scratch(std::max(1, threads));
  parallel(parts * recipe.checkpoints, threads, [&](int64_t item, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const int i = static_cast<int>(item / parts);
    const int64_t first = item % parts * together, end = std::min(rows, first + together);
    const Run run = make_run(recipe, parameter, first * parameter.row, end * parameter.row, nullptr,
                             scratch[thread].get());
    level().divergences(run, i, factors.data() + i * rows + first);
  });
  return factors;
}

std::vector<Sieve> standing_out(const Recipe& recipe, const Parameter& parameter, int threads) {
  std::vector<Sieve> sieves(recipe.checkpoints);
  if (parameter.size == 0) return sieves;
  const std::vector<Parameter> all = {parameter};
  const std::vector<RankSearch> searches(recipe.checkpoints, quartile_search(parameter.size));
  const std::vector<Above> quartiles =
      find_edges(recipe, cut_tiles(all), from_memory(all), threads, searches);
  for (int i = 0; i < recipe.checkpoints; ++i) {
    const Above* of = quartiles.data() + i * 3;
    sieves[i].keep = above_fence(of[0].bits, of[1].bits, of[2].bits);
  }
  return sieves;
}

}  // namespace taujp
