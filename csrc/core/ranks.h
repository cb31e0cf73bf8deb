// Counting for the rank search (core/rank.h): how many measures have which digits.
// Included by core/level.h inside a level.
#pragma once
#include "core/measured.h"

namespace taujp {
namespace TAUJP_LEVEL {

// The leading 11 bits below the sign of every element.
static void count_leading(const float* row, int64_t count, int64_t* histogram) {
  uint32_t digits[kRow];
  for (int64_t j = 0; j < count; j += kLanes) {
    const Words digit = magnitude_bits(at(row, j)) >> 20;
    memcpy(digits + j, &digit.bits, sizeof digit.bits);
  }
  for (int64_t j = 0; j < count; ++j) ++histogram[digits[j]];
}

// The next 10 bits of those whose bits so far are the prefix: few, so look before counting.
static void count_following(const float* row, int64_t count, int shift, uint32_t prefix,
                            int64_t* histogram) {
  alignas(64) uint32_t digits[kLanes];
  for (int64_t j = 0; j < count; j += kLanes) {
    const Words bits = magnitude_bits(at(row, j));
    uint32_t found = lane_set((bits >> (shift + 10)) == Words(prefix));
    if (found == 0) continue;
    if (count - j < kLanes) found &= (1u << (count - j)) - 1;
    const Words digit = (bits >> shift) & 0x3ffu;
    memcpy(digits, &digit.bits, sizeof digit.bits);
    for (; found != 0; found &= found - 1) ++histogram[digits[__builtin_ctz(found)]];
  }
}

static void count_digits(const Run& run, const RankQuery* queries, int ranks, int64_t* histograms) {
  each_measure(run, [&](int i, const float* row, int64_t count) TAUJP_INLINE_LAMBDA {
    int64_t* histogram = histograms + static_cast<int64_t>(i) * ranks * kDigits;
    const RankQuery& query = queries[i];
    if (query.round == 0) return count_leading(row, count, histogram);
    for (int rank = 0; rank < ranks; ++rank)
      count_following(row, count, query.round == 1 ? 10 : 0, query.prefix[rank],
                      histogram + rank * kDigits);
  });
}

// Writes the bits that lie in the bracket to `between`; returns how many.
static int64_t gather_row(const float* row, int64_t count, const Bracket& bracket, int64_t& above,
                          uint32_t* between) {
  const Words low(bracket.low), high(bracket.high);
  int64_t found = 0, larger = 0;
  const auto take = [&](int64_t j, uint32_t inside) TAUJP_INLINE_LAMBDA {
    const Words bits = magnitude_bits(at(row, j));
    const uint32_t over = lane_set(bits > high);
    larger += __builtin_popcount(over & inside);
    found += append(between + found, bits, lane_set(~(bits < low)) & ~over & inside);
  };
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes) take(j, ~0u);
  if (j < count) take(j, (1u << (count - j)) - 1);
  above += larger;
  return found;
}

static void gather(const Run& run, const Bracket* brackets, int ranks, int64_t room, int64_t* above,
                   uint32_t* between, int64_t* counts) {
  each_measure(run, [&](int i, const float* row, int64_t count) TAUJP_INLINE_LAMBDA {
    for (int rank = 0; rank < ranks; ++rank) {
      const int cell = i * ranks + rank;
      counts[cell] +=
          gather_row(row, count, brackets[cell], above[cell], between + cell * room + counts[cell]);
    }
  });
}

static void count_equal(const Run& run, const uint32_t* bits, int ranks, int64_t* counts) {
  each_measure(run, [&](int i, const float* row, int64_t count) TAUJP_INLINE_LAMBDA {
    for (int rank = 0; rank < ranks; ++rank) {
      const Words wanted(bits[i * ranks + rank]);
      MaskBits found = {};
      for (int64_t j = 0; j < count; j += kLanes) {
        const Mask inside = (lane_numbers() + Words(static_cast<uint32_t>(j))) <
                            Words(static_cast<uint32_t>(count));
        found += ((magnitude_bits(at(row, j)) == wanted) & inside).bits;
      }
      int64_t sum = 0;
      for (int lane = 0; lane < kLanes; ++lane) sum -= found[lane];
      counts[i * ranks + rank] += sum;
    }
  });
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
