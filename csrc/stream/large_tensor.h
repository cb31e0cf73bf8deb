// The way of large tensors whose merge needs a statistic of all their elements (a threshold, a
// norm): all threads look at one, tile by tile and as often as the statistic asks, then merge it,
// tile by tile; nothing of it is held. (Measured with the three passes of SCE: 15 % more of the
// processor's time than to hold tensors, for a tenth of the memory.) Small ones are
// held, each by one thread: stream/held_tensor.h.
#pragma once
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <numeric>

#include "core/merge.h"
#include "core/parallel.h"
#include "stream/bench.h"
#include "stream/looks.h"
#include "stream/work.h"

namespace taujp::stream {

constexpr int64_t kSmallBenches = 128 << 20;  // bytes that the threads' small tensors take together

inline bool needs_all_threads(const Plan& plan, const Item& item) {
  return !item.copy && !is_pointwise(plan.recipe) &&
         bench_bytes(item, plan.recipe.results, item.size) > kSmallBenches / plan.threads;
}

// Elements that are merged together: where rows are thinned by rank, whole ones if a few of them
// end where a block of the fingerprint does, else many, since those at the ends are thinned twice.
inline int64_t merged_together(const Plan& plan, const Item& item) {
  const int64_t cached = cached_elements(plan, item), row = item.row;
  if (plan.recipe.sparsifier != Sparsifier::rank || row <= 1) return cached;
  const int64_t aligned = std::lcm(row, kFingerprintBlock);
  if (aligned <= 8 * std::max(cached, row)) return std::max<int64_t>(cached / aligned, 1) * aligned;
  return (std::max(cached, 8 * row) / kFingerprintBlock + 1) * kFingerprintBlock;
}

// What has to be read to merge a tile.
inline Tile reach_of(const Plan& plan, const Tile& tile) {
  if (plan.recipe.sparsifier != Sparsifier::rank) return tile;
  const Item& item = plan.items[tile.item];
  const int64_t row = std::max<int64_t>(item.row, 1);
  const int64_t first = tile.first / row * row;
  const int64_t end = std::min((tile.first + tile.count + row - 1) / row * row, item.size);
  return {tile.item, first, end - first};
}

// True when an input held a NaN or an infinity.
inline bool merge_known_tile(Work& work, const Tile& tile, const Statistics& found,
                             Buffer& buffer) {
  const Tile reach = reach_of(work.plan, tile);
  const int64_t begin = tile.first - reach.first, end = begin + tile.count;
  Bench bench(work, reach, buffer);
  for (size_t i = 0; i < bench.sources(); ++i) {
    bench.look(i, 0, begin);
    bench.read(i, begin, tile.count);
    bench.look(i, end, reach.count - end);
  }
  const bool nonfinite = merge_known(work.plan.recipe, bench.parameter(), 0, reach.count, found);
  for (size_t k = 0; k < bench.results(); ++k) bench.write(k, begin, tile.count);
  return nonfinite;
}

inline void merge_with_all_threads(Work& work, int64_t index, Looks& looks) {
  const Item& item = work.plan.items[index];
  const auto look = [&](const taujp::Tile& tile, int thread) {
    return looks.at({index, tile.begin, tile.end, tile.before}, thread);
  };
  const View view{parameter_of(work.plan, item), look, work.plan.threads,
                  cached_elements(work.plan, item)};
  const Statistics found = statistics_of(work.plan.recipe, view);
  const int64_t step = merged_together(work.plan, item);
  std::atomic<bool> nonfinite{false};
  parallel((item.size + step - 1) / step, work.plan.threads, [&](int64_t number, int thread) {
    const Tile tile{index, number * step, std::min(step, item.size - number * step)};
    if (!work.stop && merge_known_tile(work, tile, found, looks.buffer(thread))) nonfinite = true;
  });
  if (!work.stop) work.ledger.tile_done(index, nonfinite);
}

inline void merge_large_tensors(Work& work) {
  Looks looks(work);
  for (size_t index = 0; index < work.plan.items.size() && !work.stop; ++index)
    if (needs_all_threads(work.plan, work.plan.items[index]))
      merge_with_all_threads(work, index, looks);
}

// Bytes of a thread's bench for a tensor that is merged in passes.
inline int64_t passing_bytes(const Plan& plan, const Item& item) {
  int64_t elements = merged_together(plan, item);
  if (plan.recipe.sparsifier == Sparsifier::rank) elements += 2 * item.row;
  if (plan.recipe.sparsifier == Sparsifier::importance) elements = std::max(elements, item.row);
  return bench_bytes(item, plan.recipe.results, std::min(elements, item.size));
}

// Of the bits that say what stays of a tensor: of each checkpoint, where ranks leave them and norms
// are kept; for all, once above an edge and once near it, where variances do.
inline int64_t choice_bytes(const Plan& plan, const Item& item) {
  const Recipe& recipe = plan.recipe;
  if (item.copy) return 0;
  if (recipe.sparsifier == Sparsifier::variance) return 2 * item.size / 8;
  const bool chosen = recipe.sparsifier == Sparsifier::rank && recipe.rescale == Rescale::l1;
  return chosen ? recipe.checkpoints * item.size / 8 : 0;
}

// What the threads take at most: large tensors come when all others are done.
inline int64_t memory_bytes(const Plan& plan) {
  int64_t small = 0, large = 0;
  for (const Item& item : plan.items)
    if (needs_all_threads(plan, item))
      large = std::max(large, plan.threads * passing_bytes(plan, item) + choice_bytes(plan, item));
    else
      small = std::max(small, tile_bytes(plan, item) + choice_bytes(plan, item));
  return std::max(plan.threads * small, large);
}

}  // namespace taujp::stream
