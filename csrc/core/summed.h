// Sums over a parameter, in a fixed order: blocks of kSumBlock elements, one after another.
#pragma once
#include <algorithm>
#include <vector>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/view.h"

namespace taujp {

// [cells] sums of what `add(run, sums)` adds for each block, of what survives.
template <class Number, class Add>
std::vector<Number> summed(const Recipe& recipe, const View& view, const Survivors& survivors,
                           size_t cells, Add add) {
  const std::vector<Tile> tiles = view.tiles();
  const std::vector<const uint64_t*> bits = survivors.bits();
  std::vector<Number> parts((view.parameter.size + kSumBlock - 1) / kSumBlock * cells, 0);
  std::vector<Scratch> scratch(std::max(1, view.threads));
  parallel(tiles.size(), view.threads, [&](int64_t number, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(recipe.checkpoints));
    const Piece piece = view.fetch(tiles[number], thread);
    Number* sums = parts.data() + tiles[number].begin / kSumBlock * cells;
    for (int64_t begin = piece.begin; begin < piece.end; begin += kSumBlock, sums += cells)
      add(make_run(recipe, piece.parameter, begin, std::min(begin + kSumBlock, piece.end),
                   survivors, bits, scratch[thread].get()),
          sums);
  });
  std::vector<Number> sums(cells, 0);
  for (size_t part = 0; part < parts.size(); ++part) sums[part % cells] += parts[part];
  return sums;
}

}  // namespace taujp
