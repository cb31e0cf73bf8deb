// Which elements vary more than a bracket, or within it: noted by one bit each.
// Included by core/level.h inside a level.
#pragma once
#include "core/ranks.h"

namespace taujp {
namespace TAUJP_LEVEL {

static NoteCounts note(const Run& run, const Bracket& bracket, const Notes& notes) {
  const Words low(bracket.low), high(bracket.high), zero(0u);
  NoteCounts counts{};
  int64_t done = 0;
  each_measure(run, [&](int, const float* row, int64_t count) TAUJP_INLINE_LAMBDA {
    for (int64_t j = 0; j < count; j += kLanes) {
      const uint32_t there = count - j < kLanes ? (1u << (count - j)) - 1 : ~0u;
      const Words bits = magnitude_bits(at(row, j));
      const uint32_t over = lane_set(bits > high) & there;
      const uint32_t within = lane_set(~(bits < low)) & ~over & there;
      const int64_t place = done + j;
      notes.above[place / 64] |= static_cast<uint64_t>(over) << (place % 64);
      notes.within[place / 64] |= static_cast<uint64_t>(within) << (place % 64);
      counts.above += __builtin_popcount(over);
      counts.within += append(notes.values + counts.within, bits, within);
      counts.nonzero += __builtin_popcount(lane_set(bits > zero) & there);
    }
    done += count;
  });
  return counts;
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
