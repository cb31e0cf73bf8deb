#include "core/statistics.h"

#include <algorithm>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/rank.h"
#include "core/scratch.h"
#include "core/sieves.h"
#include "core/tiles.h"

namespace taujp {
namespace {

using Counts = std::vector<int64_t>;

struct Search {
  const Recipe& recipe;
  const std::vector<Parameter>& parameters;
  const std::vector<Tile> tiles;
  int threads;
  int ranks;  // thresholds a checkpoint: one, or two where the largest are skipped
};

// One pass over all the elements: the histograms [N][ranks][kDigits] that the queries ask for.
Counts digits_of_all(const Search& search, const std::vector<RankQuery>& queries) {
  const int64_t cells = static_cast<int64_t>(queries.size()) * search.ranks * kDigits;
  const int workers = std::max(1, search.threads);
  std::vector<Counts> counted(workers);
  std::vector<Scratch> scratch(workers);
  parallel(search.tiles.size(), search.threads, [&](int64_t item, int thread) {
    if (!scratch[thread]) {
      scratch[thread] = make_scratch(scratch_floats(search.recipe.checkpoints));
      counted[thread].assign(cells, 0);
    }
    const Tile& tile = search.tiles[item];
    const Run run = make_run(search.recipe, search.parameters[tile.parameter], tile.begin, tile.end,
                             nullptr, scratch[thread].get());
    level().count_digits(run, queries.data(), search.ranks, counted[thread].data());
  });
  Counts sum(cells, 0);
  for (const Counts& part : counted)
    for (size_t cell = 0; cell < part.size(); ++cell) sum[cell] += part[cell];
  return sum;
}

// How many elements of tau_i in [begin, end) have exactly these bits.
int64_t equal_in(const Search& search, int i, const Tile& tile, uint32_t bits) {
  const Scratch scratch = make_scratch(scratch_floats(1));
  Parameter one = search.parameters[tile.parameter];
  one.sources += i;
  Run run = make_run(search.recipe, one, tile.begin, tile.end, nullptr, scratch.get());
  run.checkpoints = 1;
  int64_t count = 0;
  level().count_equal(run, &bits, 1, &count);
  return count;
}

// The index behind the `kept`-th of the equal elements in the tile, by ever smaller pieces of it.
int64_t cut_within(const Search& search, int i, Tile tile, uint32_t bits, int64_t kept) {
  while (tile.end - tile.begin > 1) {
    const int64_t end = tile.end, step = (end - tile.begin + 31) / 32;
    for (tile.end = std::min(tile.begin + step, end);;
         tile.begin += step, tile.end = std::min(tile.end + step, end)) {
      const int64_t here = equal_in(search, i, tile, bits);
      if (here >= kept) break;
      kept -= here;
    }
  }
  return tile.end;
}

// The index, along all elements, behind the last of the equal ones that stay above.
int64_t cut_of(const Search& search, int i, uint32_t bits, int64_t kept) {
  if (kept < 0) return INT64_MAX;
  if (kept == 0) return 0;
  Counts equal(search.tiles.size(), 0);
  parallel(search.tiles.size(), search.threads,
           [&](int64_t item, int) { equal[item] = equal_in(search, i, search.tiles[item], bits); });
  size_t item = 0;
  for (; equal[item] < kept; ++item) kept -= equal[item];
  const Tile& tile = search.tiles[item];
  return tile.before + cut_within(search, i, tile, bits, kept) - tile.begin;
}

void advance_all(const Search& search, std::vector<RankSearch>& searches) {
  std::vector<RankQuery> queries;
  for (const RankSearch& one : searches) queries.push_back(one.query);
  const Counts digits = digits_of_all(search, queries);
  for (size_t i = 0; i < searches.size(); ++i)
    searches[i].advance(digits.data() + i * search.ranks * kDigits);
}

}  // namespace

std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Parameter>& parameters,
                                 int threads) {
  const Search search{recipe, parameters, cut_tiles(parameters), threads, ranks_of(recipe)};
  std::vector<Sieve> sieves(recipe.checkpoints);
  if (search.tiles.empty()) return sieves;
  const Tile& last = search.tiles.back();
  std::vector<RankSearch> searches = rank_searches(recipe, last.before + last.end - last.begin);
  while (!searches[0].done()) advance_all(search, searches);
  const auto above = [&](int i, int k) {
    const uint32_t bits = searches[i].query.prefix[k];
    return Above{bits, cut_of(search, i, bits, searches[i].equals_kept[k])};
  };
  for (int i = 0; i < recipe.checkpoints; ++i) {
    sieves[i].keep = above(i, 0);
    if (search.ranks == 2) sieves[i].skip = above(i, 1);
    sieves[i].scale = density_scale(recipe, i);
  }
  return sieves;
}

std::vector<Sieve> shifted(std::vector<Sieve> sieves, int64_t offset) {
  for (Sieve& sieve : sieves)
    for (Above* above : {&sieve.keep, &sieve.skip})
      if (above->cut != INT64_MAX) above->cut -= offset;
  return sieves;
}

void rescale_l1(const Recipe& recipe, const Parameter& parameter, std::vector<Sieve>& sieves,
                int threads) {
  const std::vector<Tile> blocks = cut_tiles({parameter}, kSumBlock);
  const int n = recipe.checkpoints;
  std::vector<double> sums(blocks.size() * 2 * n, 0.0);
  std::vector<Scratch> scratch(std::max(1, threads));
  parallel(blocks.size(), threads, [&](int64_t block, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(n));
    const Run run = make_run(recipe, parameter, blocks[block].begin, blocks[block].end,
                             sieves.data(), scratch[thread].get());
    level().sum_magnitudes(run, sums.data() + block * 2 * n);
  });
  for (int i = 0; i < n; ++i) {
    double before = 0, after = 0;
    for (size_t block = 0; block < blocks.size(); ++block) {
      before += sums[block * 2 * n + i];
      after += sums[block * 2 * n + n + i];
    }
    sieves[i].scale = before < 1e-7 || after < 1e-7 ? 1.0f : static_cast<float>(before / after);
  }
}

}  // namespace taujp
