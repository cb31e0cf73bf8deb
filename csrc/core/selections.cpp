#include "core/selections.h"

#include <algorithm>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/sieves.h"
#include "core/windows.h"

namespace taujp {

std::vector<float> row_divergences(const Recipe& recipe, const View& view) {
  const int64_t row = std::max<int64_t>(view.parameter.row, 1), rows = view.parameter.size / row;
  const std::vector<Tile> tiles = view.tiles_of_rows();
  std::vector<float> factors(rows * recipe.checkpoints);
  std::vector<Scratch> scratch(std::max(1, view.threads));
  parallel(tiles.size(), view.threads, [&](int64_t number, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const Piece piece = view.fetch(tiles[number], thread);
    const Run run =
        make_run(recipe, piece.parameter, piece.begin, piece.end, nullptr, scratch[thread].get());
    for (int i = 0; i < recipe.checkpoints; ++i)
      level().divergences(run, i, factors.data() + i * rows + tiles[number].begin / row);
  });
  return factors;
}

std::vector<Sieve> standing_out(const Recipe& recipe, const View& view) {
  std::vector<Sieve> sieves(recipe.checkpoints);
  if (view.parameter.size == 0) return sieves;
  const std::vector<RankSearch> searches(recipe.checkpoints, quartile_search(view.parameter.size));
  const std::vector<Above> quartiles = find_edges(recipe, view, searches);
  for (int i = 0; i < recipe.checkpoints; ++i) {
    const Above* of = quartiles.data() + i * 3;
    sieves[i].keep = above_fence(of[0].bits, of[1].bits, of[2].bits);
  }
  return sieves;
}

}  // namespace taujp
