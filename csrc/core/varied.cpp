#include "core/varied.h"

#include <algorithm>
#include <atomic>

#include "core/bits.h"
#include "core/bracket.h"
#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/sieves.h"
#include "core/windows.h"

namespace taujp {
namespace {

constexpr int64_t kNoted = 4096;     // elements noted before their values are appended: whole words
constexpr int64_t kMostValues = 16;  // a 16th of all elements; more is a sample that misled

using Values = std::vector<uint32_t>;

// What one pass over a parameter brings.
struct Noted {
  Bits above, within;          // a bracket
  std::vector<Values> values;  // [tiles] of those within it, in their order
  NoteCounts counts{};
  bool all_values = true;

  Values values_of_all() const {
    Values all;
    for (const Values& part : values) all.insert(all.end(), part.begin(), part.end());
    return all;
  }
};

NoteCounts& operator+=(NoteCounts& sum, const NoteCounts& more) {
  sum.above += more.above, sum.within += more.within, sum.nonzero += more.nonzero;
  return sum;
}

// Notes a piece; `values` takes what it has room for beside all others, `most` in all.
NoteCounts note_piece(Run run, const Bracket& bracket, Noted& noted, Values& values,
                      std::atomic<int64_t>& held, int64_t most) {
  NoteCounts counts{};
  const int64_t end = run.end;
  Values found(std::min(end - run.begin, kNoted) + kGathered);
  for (; run.begin < end; run.begin = run.end) {
    run.end = std::min(run.begin + kNoted, end);
    const int64_t word = (run.first + run.begin) / 64;
    const NoteCounts here = level().note(
        run, bracket, {noted.above.data() + word, noted.within.data() + word, found.data()});
    if ((held += here.within) <= most)
      values.insert(values.end(), found.begin(), found.begin() + here.within);
    counts += here;
  }
  return counts;
}

Noted note(const Recipe& recipe, const View& view, const Bracket& bracket, int64_t most) {
  const std::vector<Tile> tiles = view.tiles();
  const int64_t words = bit_words(view.parameter.size) + 1;
  Noted noted{Bits(words), Bits(words), std::vector<Values>(tiles.size())};
  std::vector<NoteCounts> counts(tiles.size());
  std::vector<Scratch> scratch(std::max(1, view.threads));
  std::atomic<int64_t> held{0};
  parallel(tiles.size(), view.threads, [&](int64_t number, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const Piece piece = view.fetch(tiles[number], thread);
    const Run run =
        make_run(recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch[thread].get());
    counts[number] = note_piece(run, bracket, noted, noted.values[number], held, most);
  });
  for (const NoteCounts& part : counts) noted.counts += part;
  noted.all_values = held <= most;
  return noted;
}

// Of a small parameter all variances are gathered, of a large one those near the edge.
Noted note_near_edge(const Recipe& recipe, const View& view) {
  const int64_t size = view.parameter.size;
  if (size < kWorthwhile) return note(recipe, view, {1, 0x7fffffffu}, size);
  const Values drawn = sample(recipe, view.tiles(), view.fetch, size)[0];
  const auto nonzero =
      drawn.size() - static_cast<size_t>(std::count(drawn.begin(), drawn.end(), 0u));
  const double varied = static_cast<double>(nonzero) / static_cast<double>(drawn.size());
  const double wanted = recipe.density[0] * varied * static_cast<double>(size);
  const Bracket bracket = bracket_of(drawn, static_cast<int64_t>(wanted), size);
  return note(recipe, view, bracket, size / kMostValues);
}

// Adds to what is above the bracket what is above the threshold within it, and of what equals it
// the first `ties` (all: -1). Returns that edge.
Above keep_within(Noted& noted, const Values& values, uint32_t threshold, int64_t ties) {
  Above edge{threshold, ties < 0 ? INT64_MAX : 0};
  auto value = values.begin();
  for (size_t word = 0; word < noted.within.size(); ++word)
    for (uint64_t left = noted.within[word]; left != 0; left &= left - 1, ++value) {
      const bool tied = *value == threshold && ties != 0;
      if (tied && --ties == 0)
        edge.cut = static_cast<int64_t>(word) * 64 + __builtin_ctzll(left) + 1;
      if (tied || *value > threshold) noted.above[word] |= left & (~left + 1);
    }
  return edge;
}

// The same where the edge is known and nothing but ties is within.
void keep_before(Noted& noted, int64_t cut) {
  for (size_t word = 0; word < noted.within.size(); ++word) {
    const int64_t left = cut - static_cast<int64_t>(word) * 64;
    const uint64_t before = left >= 64 ? ~uint64_t{0} : left <= 0 ? 0 : (uint64_t{1} << left) - 1;
    noted.above[word] |= noted.within[word] & before;
  }
}

// Leaves what is kept in noted.above; where the bracket missed the edge, from a pass of its own.
Above keep_wanted(const Recipe& recipe, const View& view, Noted& noted) {
  RankSearch search;
  search.size = view.parameter.size;
  search.wanted[0] = share_of(recipe.density[0], noted.counts.nonzero);
  const Values values = noted.values_of_all();
  RankSearch among = search;
  among.edges = false;  // there is always something wanted, see varied()
  if (noted.all_values && settle(among, 0, noted.counts.above, values))
    return keep_within(noted, values, among.query.prefix[0], among.equals_kept[0]);
  const Above edge = find_edges(recipe, view, {search})[0];
  noted = note(recipe, view, {edge.bits, edge.bits}, 0);
  keep_before(noted, edge.cut);
  return edge;
}

}  // namespace

Survivors varied(const Recipe& recipe, const View& view) {
  Survivors found{std::vector<Sieve>(recipe.checkpoints),
                  {Bits(bit_words(view.parameter.size) + 1)}};
  Above keep{0x7fffffffu, 0};
  if (view.parameter.size > 0) {
    Noted noted = note_near_edge(recipe, view);
    if (share_of(recipe.density[0], noted.counts.nonzero) > 0) {
      keep = keep_wanted(recipe, view, noted);
      found.kept[0] = std::move(noted.above);
    }
  }
  for (Sieve& sieve : found.sieves) sieve.keep = keep;
  return found;
}

}  // namespace taujp
