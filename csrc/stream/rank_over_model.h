// Ranks over all tensors of a checkpoint together: passes over the inputs before the merge begins.
#pragma once
#include <algorithm>
#include <vector>

#include "core/windows.h"
#include "stream/looks.h"
#include "stream/work.h"

namespace taujp::stream {

// Tiles of the tensors to merge, in the order in which they are ranked.
inline std::vector<taujp::Tile> tiles_to_rank(const Plan& plan) {
  std::vector<taujp::Tile> tiles;
  for (size_t index = 0; index < plan.items.size(); ++index) {
    const Item& item = plan.items[index];
    if (item.copy) continue;
    const int64_t step = tile_elements(plan, item);
    for (int64_t begin = 0; begin < item.size; begin += step)
      tiles.push_back({static_cast<int64_t>(index), begin, std::min(begin + step, item.size),
                       item.before + begin});
  }
  std::sort(tiles.begin(), tiles.end(),
            [](const taujp::Tile& a, const taujp::Tile& b) { return a.before < b.before; });
  return tiles;
}

inline void rank_over_model(Work& work) {
  Looks looks(work);
  const Fetch fetch = [&](const taujp::Tile& tile, int thread) { return looks.at(tile, thread); };
  work.plan.recipe.windows =
      window_sieves(work.plan.recipe, tiles_to_rank(work.plan), fetch, work.plan.threads);
}

}  // namespace taujp::stream
