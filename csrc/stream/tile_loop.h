// The way of most tensors: one thread takes a tile from the inputs to the outputs, so that it comes
// from memory once and all else happens in the cache.
#pragma once
#include <cstdint>
#include <vector>

#include "core/merge.h"
#include "core/parallel.h"
#include "stream/bench.h"
#include "stream/buffer.h"
#include "stream/products.h"
#include "stream/held_tensor.h"
#include "stream/work.h"

namespace taujp::stream {

inline void copy_tile(Work& work, const Tile& tile, Buffer& buffer) {
  const void* data = work.fetch(tile, 0, buffer.of(tile.count));
  if (!work.plan.items[tile.item].targets.empty())
    for (int k = 0; k < work.plan.recipe.results; ++k) work.store(tile, k, data);
  work.ledger.tile_done(tile.item, false);
}

inline void merge_tile(Work& work, const Tile& tile, Buffer& buffer) {
  Bench bench(work, tile, buffer);
  for (size_t i = 0; i < bench.sources(); ++i) bench.read(i, 0, tile.count);
  const bool nonfinite = merge_run(work.plan.recipe, bench.parameter());
  for (size_t k = 0; k < bench.results(); ++k) bench.write(k, 0, tile.count);
  work.ledger.tile_done(tile.item, nonfinite);
}

// (Where the recipe needs statistics a tile is a whole tensor: see tile_elements.)
inline void take_tile(Work& work, const Tile& tile, Buffer& buffer, Looks& looks, int thread) {
  const Item& item = work.plan.items[tile.item];
  if (item.copy)
    copy_tile(work, tile, buffer);
  else if (work.plan.products)
    multiply_tile(work, tile, buffer);
  else if (is_pointwise(work.plan.recipe))
    merge_tile(work, tile, buffer);
  else if (!needs_all_threads(work.plan, item))
    merge_held(work, tile.item, buffer, looks, thread);
}

inline void merge_in_tiles(Work& work) {
  std::vector<Buffer> buffers(work.plan.threads);
  Looks looks(work);
  parallel(work.tiles.total(), work.plan.threads, [&](int64_t number, int thread) {
    if (!work.stop) take_tile(work, work.tiles.at(number), buffers[thread], looks, thread);
  });
}

}  // namespace taujp::stream
