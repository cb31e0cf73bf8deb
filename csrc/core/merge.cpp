#include "core/merge.h"

#include <algorithm>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/statistics.h"
#include "core/thinned.h"
#include "core/tiles.h"
#include "core/windows.h"

namespace taujp {

// Parameters smaller than this are merged side by side, one thread each.
constexpr int64_t kSmall = 4 * kTile;

bool is_pointwise(const Recipe& recipe) {
  if (recipe.rescale == Rescale::l1 || recipe.weighting != Weighting::given) return false;
  switch (recipe.sparsifier) {
    case Sparsifier::none:
    case Sparsifier::random: return true;
    case Sparsifier::magnitude: return recipe.over_model;
    default: return false;
  }
}

bool merge_known(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                 const Statistics& found) {
  const Parameter merged = found.applied(parameter);
  if (recipe.sparsifier == Sparsifier::rank && found.survivors.sieves.empty())
    return merge_thinned(recipe, merged, begin, end, found.odds);
  const Scratch scratch = make_scratch(scratch_floats(recipe.checkpoints));
  const std::vector<const uint64_t*> bits = found.survivors.bits();
  return level().merge(make_run(recipe, merged, begin, end, found.survivors, bits, scratch.get()));
}

bool merge_run(const Recipe& recipe, const Parameter& run) {
  return merge_known(recipe, run, 0, run.size, statistics_of(recipe, in_memory(run, 1)));
}

// Every parameter with its statistics, in tiles, all threads.
static void merge_tiles(const Recipe& recipe, const std::vector<Parameter>& parameters,
                        const std::vector<Statistics>& found, int threads,
                        std::vector<char>& faults) {
  const bool rows = recipe.sparsifier == Sparsifier::rank;
  const std::vector<Tile> tiles = cut_tiles_by(
      parameters, [&](const Parameter& one) { return rows ? thinned_tile(one) : kTile; });
  std::vector<char> faulty(tiles.size(), 0);
  parallel(tiles.size(), threads, [&](int64_t item, int) {
    const Tile& tile = tiles[item];
    faulty[item] = merge_known(recipe, parameters[tile.parameter], tile.begin, tile.end,
                               found[tile.parameter]);
  });
  for (size_t item = 0; item < tiles.size(); ++item) faults[tiles[item].parameter] |= faulty[item];
}

// The statistics of every parameter: of small ones side by side, of large ones with all threads
// each.
static std::vector<Statistics> all_statistics(const Recipe& recipe,
                                              const std::vector<Parameter>& parameters,
                                              int threads) {
  std::vector<Statistics> found(parameters.size());
  if (needs_none(recipe)) return found;
  const auto small = [&](int64_t p) { return parameters[p].size < kSmall; };
  parallel(parameters.size(), threads, [&](int64_t p, int) {
    if (small(p)) found[p] = statistics_of(recipe, in_memory(parameters[p], 1));
  });
  for (size_t p = 0; p < parameters.size(); ++p)
    if (!small(p)) found[p] = statistics_of(recipe, in_memory(parameters[p], threads));
  return found;
}

std::vector<char> merge_all(Recipe recipe, std::vector<Parameter> parameters, int threads) {
  if (recipe.over_model) {
    recipe.windows = window_sieves(recipe, parameters, threads);
    for (size_t p = 1; p < parameters.size(); ++p)
      parameters[p].before = parameters[p - 1].before + parameters[p - 1].size;
  }
  std::vector<char> faults(parameters.size(), 0);
  merge_tiles(recipe, parameters, all_statistics(recipe, parameters, threads), threads, faults);
  return faults;
}

// Blocks whose partial sums are held at a time.
constexpr size_t kBatch = 4096;

std::vector<double> products(const Recipe& recipe, const std::vector<Parameter>& parameters,
                             int left, int threads) {
  const std::vector<Tile> blocks = cut_tiles(parameters, kSumBlock);
  const int64_t cells = static_cast<int64_t>(left) * recipe.results;
  const int64_t floats = scratch_floats(recipe.checkpoints) + recipe.results * kRow;
  std::vector<Scratch> scratch(std::max(1, threads));
  std::vector<double> sum(cells, 0.0);
  for (size_t start = 0; start < blocks.size(); start += kBatch) {
    const size_t count = std::min(kBatch, blocks.size() - start);
    std::vector<double> parts(count * cells, 0.0);
    parallel(count, threads, [&](int64_t block, int thread) {
      if (!scratch[thread]) scratch[thread] = make_scratch(floats);
      const Tile& tile = blocks[start + block];
      const Run run = make_run(recipe, parameters[tile.parameter], tile.begin, tile.end, nullptr,
                               scratch[thread].get());
      level().sum_products(run, left, parts.data() + block * cells);
    });
    for (size_t part = 0; part < parts.size(); ++part) sum[part % cells] += parts[part];
  }
  return sum;
}

}  // namespace taujp
