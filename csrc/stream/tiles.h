// Cuts the tensors of a plan into tiles and numbers them, so that threads can share one counter.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/merge.h"
#include "core/run.h"
#include "stream/fingerprint.h"
#include "stream/plan.h"

namespace taujp::stream {

// What the tiles of one thread may take together: half of a second-level cache, so that a tile is
// still in it when it is merged, fingerprinted and written.
constexpr int64_t kTileBytes = 512 << 10;

struct Tile {
  int64_t item = 0;
  int64_t first = 0;  // element
  int64_t count = 0;
};

// Elements whose products one thread sums up: a fixed number, since it tells the order of the sums.
constexpr int64_t kProductsPiece = 1 << 20;

// Elements of such a piece that are read at a time: whole blocks of a sum.
inline int64_t products_step(const Item& item) {
  int64_t bytes = 0;
  for (const Place& source : item.sources) bytes += source.width;
  const int64_t fitting = kTileBytes / std::max<int64_t>(bytes, 1) / kSumBlock * kSumBlock;
  return std::clamp<int64_t>(fitting, kSumBlock, 32 * kSumBlock);
}

// Elements of that item that fit a thread's cache. A multiple of the fingerprint's block whatever
// the width, and of a sum's.
inline int64_t cached_elements(const Plan& plan, const Item& item) {
  static_assert(kSumBlock % kFingerprintBlock == 0);
  int64_t bytes = 0;
  for (const Place& source : item.sources) bytes += source.width;
  for (int k = 0; k < plan.recipe.results; ++k) bytes += item.targets[k].width;
  const int64_t fitting = kTileBytes / bytes / kSumBlock * kSumBlock;
  return std::clamp<int64_t>(fitting, kSumBlock, 32 * kSumBlock);
}

// Elements to a tile of that item.
inline int64_t tile_elements(const Plan& plan, const Item& item) {
  if (item.copy) return kTileBytes / 2;
  if (plan.products) return kProductsPiece;
  if (!is_pointwise(plan.recipe)) return std::max<int64_t>(item.size, 1);
  return cached_elements(plan, item);
}

class Tiles {
 public:
  explicit Tiles(const Plan& plan) : plan_(plan) {
    before_.reserve(plan.items.size() + 1);
    before_.push_back(0);
    for (const Item& item : plan.items) before_.push_back(before_.back() + count(item));
  }

  // An empty tensor has one tile, an empty one: it too must be reported as finished.
  int64_t count(const Item& item) const {
    const int64_t tile = tile_elements(plan_, item);
    return std::max<int64_t>((item.size + tile - 1) / tile, 1);
  }

  int64_t total() const { return before_.back(); }

  Tile at(int64_t number) const {
    const auto next = std::upper_bound(before_.begin(), before_.end(), number);
    const int64_t index = next - before_.begin() - 1;
    const Item& item = plan_.items[index];
    const int64_t tile = tile_elements(plan_, item);
    const int64_t first = (number - before_[index]) * tile;
    return {index, first, std::min(tile, item.size - first)};
  }

 private:
  const Plan& plan_;
  std::vector<int64_t> before_;  // tiles of all the items before this one
};

}  // namespace taujp::stream
