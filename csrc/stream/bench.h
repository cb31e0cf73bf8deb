// A work bench: the sources and results of one tile (or one whole tensor) side by side in memory.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "stream/buffer.h"
#include "stream/work.h"

namespace taujp::stream {

// Bytes of the bench for that many elements of an item.
inline int64_t bench_bytes(const Item& item, int results, int64_t elements) {
  int64_t bytes = 0;
  for (const Place& source : item.sources)
    if (source.file != kMemory) bytes += skewed(elements * source.width);
  for (int k = 0; k < results; ++k) bytes += skewed(elements * item.targets[k].width);
  return bytes;
}

inline int64_t tile_bytes(const Plan& plan, const Item& item) {
  const int64_t fitting =
      plan.products && !item.copy ? products_step(item) : tile_elements(plan, item);
  const int64_t elements = std::min(fitting, item.size);
  return item.copy ? elements : bench_bytes(item, plan.recipe.results, elements);
}

// What is known of an item without its elements.
inline Parameter parameter_of(const Plan& plan, const Item& item) {
  Parameter known;
  known.size = item.size;
  known.before = item.before;
  known.row = item.row;
  known.coefs = plan.coefs[item.coefs].data();
  known.keys = item.keys.empty() ? nullptr : item.keys.data();
  return known;
}

class Bench {
 public:
  Bench(Work& work, const Tile& tile, Buffer& buffer)
      : work_(work), tile_(tile), item_(work.plan.items[tile.item]) {
    char* next = buffer.of(bench_bytes(item_, work.plan.recipe.results, tile.count));
    const auto room = [&](const Place& place) {
      return std::exchange(next, next + skewed(tile.count * place.width));
    };
    for (const Place& place : item_.sources)
      sources_.push_back(
          {place.file == kMemory ? Work::in_memory(place, tile.first) : room(place), place.dtype});
    for (int k = 0; k < work.plan.recipe.results; ++k)
      targets_.push_back({room(item_.targets[k]), item_.targets[k].dtype});
  }

  // Elements [first, first + count) of the tile.
  void read(size_t column, int64_t first, int64_t count) {
    const int64_t begin = first * item_.sources[column].width;
    auto* room = static_cast<char*>(const_cast<void*>(sources_[column].data)) + begin;
    work_.fetch({tile_.item, tile_.first + first, count}, column, room);
  }

  // The same for a statistic: they are read again, and counted, when they are merged.
  void look(size_t column, int64_t first, int64_t count) {
    const Place& place = item_.sources[column];
    if (place.file == kMemory) return;
    auto* room = static_cast<char*>(const_cast<void*>(sources_[column].data));
    work_.inputs[place.file].read_at(room + first * place.width, count * place.width,
                                     place.offset + (tile_.first + first) * place.width);
  }

  void write(int result, int64_t first, int64_t count) {
    const int64_t begin = first * item_.targets[result].width;
    const auto* data = static_cast<const char*>(targets_[result].data) + begin;
    work_.store({tile_.item, tile_.first + first, count}, result, data);
  }

  size_t sources() const { return sources_.size(); }
  size_t results() const { return targets_.size(); }

  Parameter parameter() const {
    Parameter merged = parameter_of(work_.plan, item_);
    merged.size = tile_.count;
    merged.first = tile_.first;
    if (work_.plan.has_base) merged.base = sources_[0];
    merged.sources = sources_.data() + (work_.plan.has_base ? 1 : 0);
    merged.targets = targets_.data();
    return merged;
  }

 private:
  Work& work_;
  const Tile tile_;
  const Item& item_;
  std::vector<Source> sources_;
  std::vector<Target> targets_;
};

}  // namespace taujp::stream
