// The way of large tensors whose merge needs a statistic of all their elements (a threshold, a
// norm): all threads read, merge and write one tensor, then go on to the next. Small ones go
// through the tile loop, each a single tile of one thread.
#pragma once
#include <algorithm>
#include <cstdint>

#include "core/merge.h"
#include "core/parallel.h"
#include "stream/bench.h"
#include "stream/buffer.h"
#include "stream/work.h"

namespace taujp::stream {

constexpr int64_t kSmallBenches = 64 << 20;  // bytes that the threads' small tensors take together

inline bool needs_all_threads(const Plan& plan, const Item& item) {
  return !item.copy && !is_pointwise(plan.recipe) &&
         bench_bytes(item, plan.recipe.results, item.size) > kSmallBenches / plan.threads;
}

// What the threads' benches take at most: one each for tiles, one for the largest tensor.
inline int64_t memory_bytes(const Plan& plan) {
  int64_t tile = 0, tensor = 0;
  for (const Item& item : plan.items) {
    if (needs_all_threads(plan, item))
      tensor = std::max(tensor, bench_bytes(item, plan.recipe.results, item.size));
    else
      tile = std::max(tile, tile_bytes(plan, item));
  }
  return plan.threads * tile + tensor;
}

// Calls each(row, first, count) for all pieces of `rows` rows of `size` elements, on all threads.
template <class Each>
void in_pieces(Work& work, int64_t rows, int64_t size, const Each& each) {
  constexpr int64_t piece = 128 * kFingerprintBlock;
  const int64_t pieces = (size + piece - 1) / piece;
  parallel(rows * pieces, work.plan.threads, [&](int64_t number, int) {
    const int64_t first = number % pieces * piece;
    if (!work.stop) each(number / pieces, first, std::min(piece, size - first));
  });
}

inline void merge_with_all_threads(Work& work, int64_t index, Buffer& buffer) {
  const int64_t size = work.plan.items[index].size;
  Bench bench(work, {index, 0, size}, buffer);
  in_pieces(work, bench.sources(), size, [&](int64_t column, int64_t first, int64_t count) {
    bench.read(column, first, count);
  });
  if (work.stop) return;
  const bool nonfinite = merge_whole(work.plan.recipe, bench.parameter(), work.plan.threads);
  in_pieces(work, bench.results(), size, [&](int64_t result, int64_t first, int64_t count) {
    bench.write(result, first, count);
  });
  if (!work.stop) work.ledger.tile_done(index, nonfinite);
}

inline void merge_large_tensors(Work& work) {
  Buffer buffer;
  for (size_t index = 0; index < work.plan.items.size() && !work.stop; ++index)
    if (needs_all_threads(work.plan, work.plan.items[index]))
      merge_with_all_threads(work, index, buffer);
}

}  // namespace taujp::stream
