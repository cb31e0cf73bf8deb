#include "core/windows.h"

#include <algorithm>
#include <utility>

#include "core/bracket.h"
#include "core/make_run.h"
#include "core/parallel.h"
#include "core/rank.h"
#include "core/scratch.h"
#include "core/sieves.h"

namespace taujp {
namespace {

using Counts = std::vector<int64_t>;

struct Search {
  const Recipe& recipe;
  const std::vector<Tile>& tiles;
  const Fetch& fetch;
  int threads;
  int ranks;  // thresholds a measure
};

// Calls visit(run, tile's number, thread) for every tile, on all threads.
template <class Visit>
void each_tile(const Search& search, Visit visit) {
  std::vector<Scratch> scratch(std::max(1, search.threads));
  parallel(search.tiles.size(), search.threads, [&](int64_t number, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(search.recipe.checkpoints));
    const Piece piece = search.fetch(search.tiles[number], thread);
    visit(make_run(search.recipe, piece.parameter, piece.begin, piece.end, nullptr,
                   scratch[thread].get()),
          number, thread);
  });
}

// One pass over all the elements: the histograms [N][ranks][kDigits] that the queries ask for.
Counts digits_of_all(const Search& search, const std::vector<RankQuery>& queries) {
  const int64_t cells = static_cast<int64_t>(queries.size()) * search.ranks * kDigits;
  std::vector<Counts> counted(std::max(1, search.threads));
  each_tile(search, [&](const Run& run, int64_t, int thread) {
    counted[thread].resize(cells, 0);
    level().count_digits(run, queries.data(), search.ranks, counted[thread].data());
  });
  Counts sum(cells, 0);
  for (const Counts& part : counted)
    for (size_t cell = 0; cell < part.size(); ++cell) sum[cell] += part[cell];
  return sum;
}

void advance_all(const Search& search, std::vector<RankSearch>& searches) {
  std::vector<RankQuery> queries;
  for (const RankSearch& one : searches) queries.push_back(one.query);
  const Counts digits = digits_of_all(search, queries);
  for (size_t i = 0; i < searches.size(); ++i)
    searches[i].advance(digits.data() + i * search.ranks * kDigits);
}

// How many elements of each tile are exactly at each threshold: [tiles][N][ranks].
Counts equal_in_tiles(const Search& search, const std::vector<uint32_t>& thresholds) {
  Counts equal(search.tiles.size() * thresholds.size(), 0);
  each_tile(search, [&](const Run& run, int64_t number, int) {
    level().count_equal(run, thresholds.data(), search.ranks,
                        equal.data() + number * thresholds.size());
  });
  return equal;
}

// The element behind the `kept`-th of those in the piece whose measure i equals the threshold.
int64_t cut_within(const Search& search, int i, Piece piece, uint32_t threshold, int64_t kept) {
  const Scratch scratch = make_scratch(scratch_floats(search.recipe.checkpoints));
  const bool one = search.recipe.sparsifier == Sparsifier::magnitude;  // others see all checkpoints
  if (one) piece.parameter.sources += i;
  Run run =
      make_run(search.recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch.get());
  if (one) run.checkpoints = 1;
  while (run.end - run.begin > 1) {
    const int64_t end = run.end, step = (end - run.begin + 31) / 32;
    for (run.end = std::min(run.begin + step, end);;
         run.begin = run.end, run.end = std::min(run.end + step, end)) {
      Counts here(run.checkpoints, 0);
      const std::vector<uint32_t> thresholds(run.checkpoints, threshold);
      level().count_equal(run, thresholds.data(), 1, here.data());
      const int64_t found = here[one ? 0 : i];
      if (found >= kept) break;
      kept -= found;
    }
  }
  return run.end;
}

// The windows' edges among equal magnitudes: of those, the ones before the cut are above it.
class Cuts {
 public:
  // `equal` [tiles][N][ranks] where it is known already.
  Cuts(const Search& search, const std::vector<RankSearch>& searches, Counts equal)
      : search_(search), searches_(searches), equal_(std::move(equal)) {
    bool tied = false;
    std::vector<uint32_t> thresholds;
    for (const RankSearch& one : searches)
      for (int k = 0; k < search.ranks; ++k) {
        thresholds.push_back(one.query.prefix[k]);
        tied |= one.equals_kept[k] > 0;
      }
    if (tied && equal_.empty()) equal_ = equal_in_tiles(search, thresholds);
  }

  Above above(int i, int k) const {
    const uint32_t threshold = searches_[i].query.prefix[k];
    int64_t kept = searches_[i].equals_kept[k];
    if (kept <= 0) return {threshold, kept < 0 ? INT64_MAX : 0};
    size_t number = 0;
    const size_t column = i * search_.ranks + k, columns = searches_.size() * search_.ranks;
    for (; equal_[number * columns + column] < kept; ++number)
      kept -= equal_[number * columns + column];
    const Tile& tile = search_.tiles[number];
    const Piece piece = search_.fetch(tile, 0);
    return {threshold, tile.before + cut_within(search_, i, piece, threshold, kept) - piece.begin};
  }

 private:
  const Search& search_;
  const std::vector<RankSearch>& searches_;
  Counts equal_;
};

// From searches that are done; `equal` as Cuts takes it.
std::vector<Above> edges_of(const Search& search, const std::vector<RankSearch>& searches,
                            Counts equal) {
  const Cuts cuts(search, searches, std::move(equal));
  std::vector<Above> edges;
  for (size_t i = 0; i < searches.size(); ++i)
    for (int k = 0; k < search.ranks; ++k) edges.push_back(cuts.above(static_cast<int>(i), k));
  return edges;
}

}  // namespace

std::vector<Above> find_edges(const Recipe& recipe, const std::vector<Tile>& tiles,
                              const Fetch& fetch, int threads, std::vector<RankSearch> searches) {
  const Search search{recipe, tiles, fetch, threads, searches[0].ranks};
  Counts equal;
  if (!find_by_bracket(recipe, tiles, fetch, threads, searches, equal))
    while (!searches[0].done()) advance_all(search, searches);
  return edges_of(search, searches, std::move(equal));
}

std::vector<Above> find_edges(const Recipe& recipe, const View& view,
                              std::vector<RankSearch> searches) {
  return find_edges(recipe, view.tiles(), view.fetch, view.threads, std::move(searches));
}

std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Tile>& tiles,
                                 const Fetch& fetch, int threads) {
  std::vector<Sieve> sieves(recipe.checkpoints);
  if (tiles.empty()) return sieves;
  const int64_t elements = tiles.back().before + tiles.back().end - tiles.back().begin;
  const int ranks = ranks_of(recipe);
  const std::vector<Above> edges =
      find_edges(recipe, tiles, fetch, threads, rank_searches(recipe, elements));
  for (int i = 0; i < recipe.checkpoints; ++i) {
    sieves[i].keep = edges[i * ranks];
    if (ranks == 2) sieves[i].skip = edges[i * ranks + 1];
    sieves[i].scale = density_scale(recipe, i);
  }
  return sieves;
}

std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Parameter>& parameters,
                                 int threads) {
  const Fetch fetch = [&](const Tile& tile, int) {
    return Piece{parameters[tile.parameter], tile.begin, tile.end};
  };
  return window_sieves(recipe, cut_tiles(parameters), fetch, threads);
}

std::vector<Sieve> shifted(std::vector<Sieve> sieves, int64_t offset) {
  for (Sieve& sieve : sieves)
    for (Above* above : {&sieve.keep, &sieve.skip})
      if (above->cut != INT64_MAX) above->cut -= offset;
  return sieves;
}

}  // namespace taujp
