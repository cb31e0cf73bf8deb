#include "core/bracket.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/sieves.h"

namespace taujp {
namespace {

constexpr int64_t kSampleRun = 256;    // elements read together
constexpr int64_t kSample = 1 << 16;   // elements in all
constexpr int64_t kGatherRun = 4096;   // elements gathered before they are appended
constexpr double kMargin = 0.01;       // of all ranks, to both sides of the one wanted
constexpr int64_t kMostGathered = 16;  // a 16th of all elements; more is a sample that misled

using Words = std::vector<uint32_t>;

// Appends what lies in the brackets to between [N * ranks]; returns how many elements that were.
int64_t gather_piece(Run run, const Bracket* brackets, int ranks, Words* between, int64_t* above) {
  const int cells = (run.measure == Measure::variance ? 1 : run.checkpoints) * ranks;
  const int64_t end = run.end, longest = std::min(end - run.begin, kGatherRun);
  const int64_t room = (longest + kGathered - 1) / kGathered * kGathered;
  Words found(cells * room);
  int64_t all = 0;
  for (; run.begin < end; run.begin = run.end) {
    run.end = std::min(run.begin + longest, end);
    std::vector<int64_t> counts(cells, 0);
    level().gather(run, brackets, ranks, room, above, found.data(), counts.data());
    for (int cell = 0; cell < cells; ++cell) {
      const uint32_t* first = found.data() + cell * room;
      between[cell].insert(between[cell].end(), first, first + counts[cell]);
      all += counts[cell];
    }
  }
  return all;
}

// What one pass brought: above each bracket, and in it tile by tile.
struct Gathered {
  std::vector<Words> between;  // [tiles][N * ranks]
  std::vector<int64_t> above;  // [N * ranks]

  // All that lies in one bracket.
  Words column(size_t cell) const {
    Words all;
    for (size_t at = cell; at < between.size(); at += above.size())
      all.insert(all.end(), between[at].begin(), between[at].end());
    return all;
  }
};

// Without `above` where the brackets held more than `most` elements.
Gathered gather(const Recipe& recipe, const std::vector<Tile>& tiles, const Fetch& fetch,
                int threads, const std::vector<Bracket>& brackets, int ranks, int64_t most) {
  const size_t cells = brackets.size(), workers = std::max(1, threads);
  std::vector<std::vector<int64_t>> above(workers, std::vector<int64_t>(cells, 0));
  std::vector<Scratch> scratch(workers);
  Gathered gathered{std::vector<Words>(tiles.size() * cells), {}};
  std::atomic<int64_t> held{0};
  parallel(tiles.size(), threads, [&](int64_t number, int thread) {
    if (held > most) return;
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const Piece piece = fetch(tiles[number], thread);
    const Run run =
        make_run(recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch[thread].get());
    held += gather_piece(run, brackets.data(), ranks, gathered.between.data() + number * cells,
                         above[thread].data());
  });
  if (held > most) return {};
  gathered.above.assign(cells, 0);
  for (const auto& part : above)
    for (size_t cell = 0; cell < cells; ++cell) gathered.above[cell] += part[cell];
  return gathered;
}

// All searches from what was gathered for them: see find_by_bracket.
bool settle_all(const Gathered& gathered, int threads, std::vector<RankSearch>& searches,
                std::vector<int64_t>& equal) {
  const int64_t ranks = searches[0].ranks, cells = static_cast<int64_t>(searches.size()) * ranks;
  std::vector<RankSearch> settled = searches;
  std::atomic<bool> all{true};
  parallel(cells, threads, [&](int64_t cell, int) {
    RankSearch& search = settled[cell / ranks];
    const int k = static_cast<int>(cell % ranks);
    if (!settle(search, k, gathered.above[cell], gathered.column(cell))) all = false;
  });
  if (!all) return false;
  for (RankSearch& search : settled) search.finish();
  equal.assign(gathered.between.size(), 0);
  parallel(equal.size(), threads, [&](int64_t at, int) {
    const int64_t cell = at % cells;
    const uint32_t threshold = settled[cell / ranks].query.prefix[cell % ranks];
    equal[at] = std::count(gathered.between[at].begin(), gathered.between[at].end(), threshold);
  });
  searches = std::move(settled);
  return true;
}

}  // namespace

std::vector<Words> sample(const Recipe& recipe, const std::vector<Tile>& tiles, const Fetch& fetch,
                          int64_t elements) {
  const Scratch scratch = make_scratch(scratch_floats(recipe.checkpoints));
  const int64_t step = std::max<int64_t>(1, elements / (kSample / kSampleRun));
  const int measures = measures_of(recipe);
  const std::vector<Bracket> everything(measures, {0, 0x7fffffffu});
  std::vector<Words> samples(measures);
  std::vector<int64_t> unused(measures);
  int64_t next = step / 2;
  for (const Tile& tile : tiles) {
    const int64_t size = tile.end - tile.begin;
    for (; next < tile.before + size; next += step) {
      const int64_t begin = tile.begin + next - tile.before;
      const Piece piece =
          fetch({tile.parameter, begin, std::min(begin + kSampleRun, tile.end), next}, 0);
      const Run run =
          make_run(recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch.get());
      gather_piece(run, everything.data(), 1, samples.data(), unused.data());
    }
  }
  return samples;
}

Bracket bracket_of(Words sample, int64_t wanted, int64_t elements) {
  const double from_below = 1.0 - static_cast<double>(wanted) / static_cast<double>(elements);
  auto sorted = sample.begin();  // up to here
  const auto at = [&](double share) {
    const auto place = sample.begin() + static_cast<int64_t>(share * sample.size());
    std::nth_element(sorted, place, sample.end());
    sorted = place;
    return *place;
  };
  const double low = from_below - kMargin, high = from_below + kMargin;
  const uint32_t lowest = low <= 0 ? 0u : at(low);
  return {lowest, high >= 1 ? 0x7fffffffu : at(high)};
}

bool settle(RankSearch& search, int k, int64_t above, Words between) {
  const int64_t wanted = search.wanted[k], missing = wanted - above;
  if (search.edges && (wanted <= 0 || wanted >= search.size)) return true;  // finish() knows
  if (missing <= 0 || missing > static_cast<int64_t>(between.size())) return false;
  const auto place = between.begin() + missing - 1;
  std::nth_element(between.begin(), place, between.end(), std::greater<uint32_t>());
  const uint32_t threshold = *place;
  const int64_t larger = std::count_if(between.begin(), between.end(),
                                       [&](uint32_t bits) { return bits > threshold; });
  const int64_t equal = std::count(between.begin(), between.end(), threshold);
  search.query.prefix[k] = threshold;
  search.equals_kept[k] = missing - larger == equal ? -1 : missing - larger;
  return true;
}

bool find_by_bracket(const Recipe& recipe, const std::vector<Tile>& tiles, const Fetch& fetch,
                     int threads, std::vector<RankSearch>& searches, std::vector<int64_t>& equal) {
  const int64_t elements = searches[0].size;
  const int ranks = searches[0].ranks;
  if (elements < kWorthwhile) return false;
  const std::vector<Words> samples = sample(recipe, tiles, fetch, elements);
  const int64_t cells = static_cast<int64_t>(searches.size()) * ranks;
  std::vector<Bracket> brackets(cells);
  parallel(cells, threads, [&](int64_t cell, int) {
    brackets[cell] =
        bracket_of(samples[cell / ranks], searches[cell / ranks].wanted[cell % ranks], elements);
  });
  const int64_t most = elements / kMostGathered * cells;
  const Gathered gathered = gather(recipe, tiles, fetch, threads, brackets, ranks, most);
  if (gathered.above.empty()) return false;
  return settle_all(gathered, threads, searches, equal);
}

}  // namespace taujp
