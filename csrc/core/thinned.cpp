#include "core/thinned.h"

#include <algorithm>
#include <memory>

#include "core/bits.h"
#include "core/make_run.h"
#include "core/parallel.h"
#include "core/rescale.h"
#include "core/scalar.h"
#include "core/scratch.h"
#include "core/tiles.h"

namespace taujp {
namespace {

constexpr int64_t kTogether = 1 << 12;  // elements of the rows that are taken at a time

// The rows [begin, end) of all checkpoints, thinned and scaled by rank, as a parameter of their
// own.
class ThinnedRows {
 public:
  ThinnedRows(const Recipe& recipe, const Piece& piece, const std::vector<OddsByRank>& odds)
      : part_(piece.parameter),
        scratch_(make_scratch(scratch_floats(recipe.checkpoints))),
        rows_(make_scratch(recipe.checkpoints * (piece.end - piece.begin + kThinRest))) {
    part_.size = piece.end - piece.begin;
    const Scratch room = make_scratch(2 * (3 * part_.row + kThinRest));
    const Run run =
        make_run(recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch_.get());
    for (int i = 0; i < recipe.checkpoints; ++i) {
      float* out = rows_.get() + i * (part_.size + kThinRest);
      const bool all = odds[i].limits.empty();
      const Thinning thinning{all ? nullptr : odds[i].limits.data(),
                              all ? nullptr : odds[i].scales.data(), part_.keys[i],
                              reinterpret_cast<uint64_t*>(room.get()), out};
      nonfinite_ |= level().thin(run, i, thinning);
      sources_.push_back({out, Dtype::f32});
    }
    for (int k = 0; k < recipe.results; ++k)
      targets_.push_back(advanced(part_.targets[k], piece.begin));
    part_.first += piece.begin;
    part_.base = advanced(part_.base, piece.begin);
    part_.sources = sources_.data();
    part_.targets = targets_.data();
  }
  ThinnedRows(const ThinnedRows&) = delete;

  // What these rows hold are task vectors already.
  bool merge(const Recipe& recipe) const {
    Run run = make_run(recipe, part_, 0, part_.size, nullptr, scratch_.get());
    run.subtract_base = false;
    level().merge(run);
    return nonfinite_;
  }

 private:
  Parameter part_;
  Scratch scratch_, rows_;
  std::vector<Source> sources_;
  std::vector<Target> targets_;
  bool nonfinite_ = false;
};

// Chooses what stays of rows, with memory that is taken once.
class Chooser {
 public:
  Chooser(const Recipe& recipe, int64_t row, const std::vector<OddsByRank>& odds)
      : recipe_(recipe),
        odds_(odds),
        scratch_(make_scratch(scratch_floats(recipe.checkpoints))),
        room_(make_scratch(2 * choice_words(row))) {}

  // Of a piece of whole rows: `first` is the bit of its parameter's element 0; sums as in Choice.
  void choose(const Piece& piece, std::vector<Bits>& kept, int64_t first, double* sums) const {
    const Run run =
        make_run(recipe_, piece.parameter, piece.begin, piece.end, nullptr, scratch_.get());
    for (int i = 0; i < recipe_.checkpoints; ++i)
      if (!odds_[i].limits.empty())
        level().choose(run, i,
                       {odds_[i].limits.data(), piece.parameter.keys[i],
                        reinterpret_cast<uint64_t*>(room_.get()), kept[i].data(), first, sums});
  }

 private:
  const Recipe& recipe_;
  const std::vector<OddsByRank>& odds_;
  const Scratch scratch_, room_;
};

// Room for the bits of that many elements of each checkpoint that is thinned.
std::vector<Bits> no_bits(const std::vector<OddsByRank>& odds, int64_t elements) {
  std::vector<Bits> bits(odds.size());
  for (size_t i = 0; i < odds.size(); ++i)
    if (!odds[i].limits.empty()) bits[i].assign(bit_words(elements) + 1, 0);
  return bits;
}

// Merges what the coins and ranks leave of a piece of whole rows.
bool merge_chosen(const Recipe& recipe, const Piece& piece, const std::vector<OddsByRank>& odds) {
  Survivors chosen{std::vector<Sieve>(recipe.checkpoints), no_bits(odds, piece.end - piece.begin)};
  Chooser(recipe, piece.parameter.row, odds).choose(piece, chosen.kept, -piece.begin, nullptr);
  const Scratch scratch = make_scratch(scratch_floats(recipe.checkpoints));
  const std::vector<const uint64_t*> bits = chosen.bits();
  Run run = make_run(recipe, piece.parameter, piece.begin, piece.end, chosen, bits, scratch.get());
  run.kept_first = -piece.begin;
  return level().merge(run);
}

}  // namespace

int64_t thinned_tile(const Parameter& parameter) {
  const int64_t row = std::max<int64_t>(parameter.row, 1);
  return std::max<int64_t>(kTogether / row, 1) * row;
}

Survivors thinned_by_norms(const Recipe& recipe, const View& view,
                           const std::vector<OddsByRank>& odds) {
  const int64_t n = recipe.checkpoints, row = std::max<int64_t>(view.parameter.row, 1);
  const std::vector<Tile> tiles = view.tiles_of_rows();
  Survivors thinned{std::vector<Sieve>(n), no_bits(odds, view.parameter.size)};
  std::vector<double> sums(view.parameter.size / row * 2 * n, 0.0);  // [rows][before, after][N]
  std::vector<std::unique_ptr<Chooser>> choosers(std::max(view.threads, 1));
  parallel(tiles.size(), view.threads, [&](int64_t number, int thread) {
    if (!choosers[thread]) choosers[thread] = std::make_unique<Chooser>(recipe, row, odds);
    const Piece piece = view.fetch(tiles[number], thread);
    choosers[thread]->choose(piece, thinned.kept, piece.parameter.first,
                             sums.data() + tiles[number].begin / row * 2 * n);
  });
  for (int64_t i = 0; i < n; ++i) {
    double before = 0, after = 0;
    for (size_t at = i; at < sums.size(); at += 2 * n) before += sums[at], after += sums[at + n];
    thinned.sieves[i].scale = scale_of_norms(before, after);
  }
  return thinned;
}

bool merge_thinned(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                   const std::vector<OddsByRank>& odds) {
  const int64_t together = thinned_tile(parameter);
  bool nonfinite = false;
  for (; begin < end; begin += together) {
    const Piece piece{parameter, begin, std::min(begin + together, end)};
    nonfinite |= recipe.rescale == Rescale::density ? ThinnedRows(recipe, piece, odds).merge(recipe)
                                                    : merge_chosen(recipe, piece, odds);
  }
  return nonfinite;
}

}  // namespace taujp
