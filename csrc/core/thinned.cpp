#include "core/thinned.h"

#include <algorithm>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/rescale.h"
#include "core/scalar.h"
#include "core/scratch.h"
#include "core/tiles.h"

namespace taujp {
namespace {

constexpr int64_t kTogether = 1 << 12;  // elements of the rows that are taken at a time

// The rows [begin, end) of all checkpoints, thinned, as a parameter of their own.
class ThinnedRows {
 public:
  ThinnedRows(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
              const std::vector<OddsByRank>& odds, const Thinned* known, Thinned* noted)
      : part_(parameter),
        scratch_(make_scratch(scratch_floats(recipe.checkpoints))),
        rows_(make_scratch(recipe.checkpoints * (end - begin + kThinRest))),
        room_(make_scratch(2 * (3 * parameter.row + kThinRest))) {
    const int64_t count = end - begin;
    const int64_t rows_before = (parameter.first + begin) / std::max<int64_t>(parameter.row, 1);
    const int64_t words_before = rows_before * kept_words(parameter.row);
    const Run run = make_run(recipe, parameter, begin, end, nullptr, scratch_.get());
    for (int i = 0; i < recipe.checkpoints; ++i) {
      float* out = rows_.get() + i * (count + kThinRest);
      const bool all = odds[i].limits.empty();
      const Thinning thinning{all ? nullptr : odds[i].limits.data(),
                              all ? nullptr : odds[i].scales.data(),
                              parameter.keys[i],
                              reinterpret_cast<uint64_t*>(room_.get()),
                              out,
                              known ? known->kept[i].data() + words_before : nullptr,
                              noted ? noted->kept[i].data() + words_before : nullptr};
      nonfinite_ |= level().thin(run, i, thinning);
      sources_.push_back({out, Dtype::f32});
    }
    for (int k = 0; k < recipe.results && parameter.targets != nullptr; ++k)
      targets_.push_back(advanced(parameter.targets[k], begin));
    part_.size = count;
    part_.first += begin;
    part_.base = advanced(parameter.base, begin);
    part_.sources = sources_.data();
    part_.targets = targets_.data();
  }
  ThinnedRows(const ThinnedRows&) = delete;

  // Elements [begin, end) of these rows; what they hold are task vectors already.
  Run run(const Recipe& recipe, int64_t begin, int64_t end, const Sieve* sieves) const {
    Run run = make_run(recipe, part_, begin, end, sieves, scratch_.get());
    run.subtract_base = false;
    return run;
  }
  bool nonfinite() const { return nonfinite_; }

 private:
  Parameter part_;
  Scratch scratch_, rows_, room_;
  std::vector<Source> sources_;
  std::vector<Target> targets_;
  bool nonfinite_ = false;
};

// Thins the rows of a piece and notes what stays; writes sum abs(tau) [2][N] of each, before and
// after, to `sums`. Returns where the next row's go.
double* add_norms(const Recipe& recipe, const Piece& piece, const std::vector<OddsByRank>& odds,
                  Thinned& thinned, double* sums) {
  const int64_t n = recipe.checkpoints, row = std::max<int64_t>(piece.parameter.row, 1);
  const ThinnedRows rows(recipe, piece.parameter, piece.begin, piece.end, odds, nullptr, &thinned);
  const Scratch scratch = make_scratch(scratch_floats(recipe.checkpoints));
  for (int64_t begin = piece.begin; begin < piece.end; begin += row, sums += 2 * n) {
    const int64_t first = begin - piece.begin;
    level().sum_magnitudes(
        make_run(recipe, piece.parameter, begin, begin + row, nullptr, scratch.get()), sums);
    level().sum_magnitudes(rows.run(recipe, first, first + row, nullptr), sums + n);
  }
  return sums;
}

}  // namespace

int64_t thinned_tile(const Parameter& parameter) {
  const int64_t row = std::max<int64_t>(parameter.row, 1);
  return std::max<int64_t>(kTogether / row, 1) * row;
}

Thinned thinned_by_norms(const Recipe& recipe, const View& view,
                         const std::vector<OddsByRank>& odds) {
  const int64_t n = recipe.checkpoints, row = std::max<int64_t>(view.parameter.row, 1);
  const int64_t count = view.parameter.size / row, together = thinned_tile(view.parameter);
  const std::vector<Tile> tiles = view.tiles_of_rows();
  Thinned thinned{std::vector<Sieve>(n), std::vector<Kept>(n, Kept(count * kept_words(row), 0))};
  std::vector<double> sums(count * 2 * n, 0.0);  // [rows][before, after][N]
  parallel(tiles.size(), view.threads, [&](int64_t number, int thread) {
    const Piece piece = view.fetch(tiles[number], thread);
    double* here = sums.data() + tiles[number].begin / row * 2 * n;
    for (int64_t begin = piece.begin; begin < piece.end; begin += together) {
      const int64_t end = std::min(begin + together, piece.end);
      here = add_norms(recipe, {piece.parameter, begin, end}, odds, thinned, here);
    }
  });
  for (int64_t i = 0; i < n; ++i) {
    double before = 0, after = 0;
    for (size_t at = i; at < sums.size(); at += 2 * n) before += sums[at], after += sums[at + n];
    thinned.sieves[i].scale = scale_of_norms(before, after);
  }
  return thinned;
}

bool merge_thinned(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                   const std::vector<OddsByRank>& odds, const Thinned& known) {
  const bool scaled = !known.sieves.empty();
  const int64_t together = thinned_tile(parameter);
  bool nonfinite = false;
  for (; begin < end; begin += together) {
    const int64_t count = std::min(together, end - begin);
    const ThinnedRows rows(recipe, parameter, begin, begin + count, odds, scaled ? &known : nullptr,
                           nullptr);
    level().merge(rows.run(recipe, 0, count, scaled ? known.sieves.data() : nullptr));
    nonfinite |= rows.nonfinite();
  }
  return nonfinite;
}

}  // namespace taujp
