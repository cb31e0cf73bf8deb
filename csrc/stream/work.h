// What the threads of a job share, and how they read and write.
#pragma once
#include <atomic>
#include <cstdint>
#include <deque>
#include <utility>

#include "stream/file.h"
#include "stream/fingerprint.h"
#include "stream/ledger.h"
#include "stream/plan.h"
#include "stream/tiles.h"

namespace taujp::stream {

struct Work {
  explicit Work(Plan given) : plan(std::move(given)), tiles(plan), ledger(plan, tiles) {
    for (const InputFile& input : plan.inputs) inputs.emplace_back(input.path, O_RDONLY);
    for (const std::string& path : plan.outputs) outputs.emplace_back(path, O_WRONLY);
    check_inputs();
  }

  void check_inputs() const {
    for (size_t i = 0; i < inputs.size(); ++i)
      inputs[i].expect(plan.inputs[i].size, plan.inputs[i].mtime_ns);
  }

  // Elements of a source: read into `room`, or where they are if that is in memory.
  const void* fetch(const Tile& tile, size_t column, void* room) {
    const Place& place = plan.items[tile.item].sources[column];
    const int64_t begin = tile.first * place.width, bytes = tile.count * place.width;
    const void* data = place.file == kMemory ? in_memory(place, tile.first) : room;
    if (place.file != kMemory) inputs[place.file].read_at(room, bytes, place.offset + begin);
    ledger.add(tile.item, column, fingerprint_part(data, bytes, begin));
    bytes_done.fetch_add(bytes, std::memory_order_relaxed);
    return data;
  }

  // The same elements to every place that takes them: result k has one for each name of a tensor.
  void store(const Tile& tile, int result, const void* data) {
    const Item& item = plan.items[tile.item];
    const int64_t width = item.targets[result].width;
    const int64_t begin = tile.first * width, bytes = tile.count * width;
    if (!item.copy)
      ledger.add(tile.item, item.sources.size() + result, fingerprint_part(data, bytes, begin));
    for (size_t t = result; t < item.targets.size(); t += plan.recipe.results)
      outputs[item.targets[t].file].write_at(data, bytes, item.targets[t].offset + begin);
  }

  // An address within a source that is in memory.
  static const void* in_memory(const Place& place, int64_t first) {
    return reinterpret_cast<const char*>(place.offset) + first * place.width;
  }

  Plan plan;
  const Tiles tiles;
  Ledger ledger;
  std::deque<File> inputs, outputs;  // files do not move
  std::atomic<int64_t> bytes_done{0};
  std::atomic<bool> stop{false};
};

}  // namespace taujp::stream
