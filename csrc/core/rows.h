// Rows of task vectors: read, sparsified and left in the first-level cache, for core/folding.h to
// fold and for the statistics to count.
// Included by core/level.h inside a level, after core/lanes.h.
#pragma once
#include "core/bits.h"
#include "core/lane_formats.h"
#include "core/random.h"
#include "core/run.h"
#include "core/steps.h"

namespace taujp {
namespace TAUJP_LEVEL {

TAUJP_INLINE int64_t row_count(const Run& run, int64_t first) {
  return run.end - first < kRow ? run.end - first : kRow;
}

// Row i of the scratch: tau_i. Row N: the base.
TAUJP_INLINE float* row_of(const Run& run, int i) { return run.scratch + i * kRow; }

TAUJP_INLINE Floats at(const float* row, int64_t j) { return load<Dtype::f32>(row, j); }
TAUJP_INLINE void put(float* row, int64_t j, Floats x) { memcpy(row + j, &x.bits, sizeof x.bits); }

// The last, incomplete register of a row, as if zeros followed.
template <Dtype format>
TAUJP_INLINE Floats load_rest(const void* data, int64_t index, int64_t rest) {
  alignas(64) char buffer[4 * kLanes] = {};
  memcpy(buffer, static_cast<const char*>(data) + index * bytes_of(format),
         rest * bytes_of(format));
  return load<format>(buffer, 0);
}

// What stays of a row: everything ...
struct AllStays {
  TAUJP_INLINE Floats of(Floats x, int64_t) const { return x; }
};

// ... or what has its bit (all, where there are none), scaled.
template <class Steps>
struct KnownStays {
  const uint64_t* kept;
  int64_t first;  // the bit of element 0
  Floats scale;

  TAUJP_INLINE Floats of(Floats x, int64_t j) const {
    const uint64_t set = kept == nullptr ? ~uint64_t{0} : bits_from(kept, first + j);
    return only(static_cast<uint32_t>(set), Steps::round(x * scale));
  }
};

// row = what stays of round(x - base); returns 0 in every lane, or NaN where x was not finite.
template <class Steps, Dtype format, bool has_base, class Stays>
static Floats read_row(const void* data, int64_t first, int64_t count, const float* base,
                       float* row, Stays stays) {
  Floats poison(0.0f);
  int64_t j = 0;
  const auto take = [&](Floats x) TAUJP_INLINE_LAMBDA {
    poison = fma(x, Floats(0.0f), poison);
    put(row, j, stays.of(has_base ? Steps::round(x - at(base, j)) : x, j));
  };
  for (; j + kLanes <= count; j += kLanes) {
    // The next row of this source: many sources in turn are more than the hardware foresees.
    __builtin_prefetch(static_cast<const char*>(data) + (first + j + kRow) * bytes_of(format), 0,
                       2);
    take(load<format>(data, first + j));
  }
  if (j < count) take(load_rest<format>(data, first + j, count - j));
  return poison;
}

template <class Steps, bool has_base, class Stays = AllStays>
static Floats read_source(Source source, int64_t first, int64_t count, const float* base,
                          float* row, Stays stays = {}) {
  switch (source.dtype) {
    case Dtype::f32:
      return read_row<Steps, Dtype::f32, has_base>(source.data, first, count, base, row, stays);
    case Dtype::f16:
      return read_row<Steps, Dtype::f16, has_base>(source.data, first, count, base, row, stays);
    default:
      return read_row<Steps, Dtype::bf16, has_base>(source.data, first, count, base, row, stays);
  }
}

// Reads the base (if there is one) into row N; its poison is added to `poison`.
static void read_base(const Run& run, int64_t first, int64_t count, Floats& poison) {
  if (run.base.data == nullptr) return;
  poison = poison +
           read_source<Exact, false>(run.base, first, count, nullptr, row_of(run, run.checkpoints));
}

template <class Steps, class Stays = AllStays>
static void read_tau(const Run& run, int i, int64_t first, int64_t count, Floats& poison,
                     Stays stays = {}) {
  const float* base = row_of(run, run.checkpoints);
  if (run.subtract_base)
    poison = poison +
             read_source<Steps, true>(run.sources[i], first, count, base, row_of(run, i), stays);
  else
    poison = poison +
             read_source<Steps, false>(run.sources[i], first, count, base, row_of(run, i), stays);
}

template <class Steps>
static void keep_known(float* row, int64_t count, KnownStays<Steps> stays) {
  for (int64_t j = 0; j < count; j += kLanes) put(row, j, stays.of(at(row, j), j));
}

// What a coin is compared with, and what it lets through is multiplied with: the same for all ...
struct SameOdds {
  uint32_t limit;
  float scale;

  TAUJP_INLINE Words limits(int64_t) const { return Words(limit); }
  TAUJP_INLINE Floats scales(int64_t) const { return Floats(scale); }
  TAUJP_INLINE uint32_t limit_at(int64_t) const { return limit; }
  TAUJP_INLINE float scale_at(int64_t) const { return scale; }
};

// ... or each element's own.
struct OwnOdds {
  const uint32_t* limit;
  const float* scale;

  TAUJP_INLINE Words limits(int64_t j) const {
    WordBits bits;
    memcpy(&bits, limit + j, sizeof bits);
    return Words(bits);
  }
  TAUJP_INLINE Floats scales(int64_t j) const { return at(scale, j); }
  TAUJP_INLINE uint32_t limit_at(int64_t j) const { return limit[j]; }
  TAUJP_INLINE float scale_at(int64_t j) const { return scale[j]; }
};

// The same across a multiple of 2^32, where the key changes within the row.
template <class Steps, class Odds>
static void keep_heads_across(float* row, int64_t count, uint64_t whole, const Odds& odds,
                              int64_t row_start) {
  for (int64_t j = 0; j < count; ++j) {
    const uint64_t index = static_cast<uint64_t>(row_start + j);
    const bool heads =
        coin(static_cast<uint32_t>(index), key_of_block(whole, index >> 32)) < odds.limit_at(j);
    const Floats scaled = Steps::round(Floats(row[j]) * Floats(odds.scale_at(j)));
    row[j] = heads ? scaled.bits[0] : 0.0f;
  }
}

// Keeps what a coin below its limit keeps; `whole` is the key of the first 2^32 elements.
template <class Steps, class Odds>
static void keep_heads(float* row, int64_t count, uint64_t whole, const Odds& odds,
                       int64_t row_start) {
  const uint64_t block = static_cast<uint64_t>(row_start) >> 32;
  if (static_cast<uint64_t>(row_start + count - 1) >> 32 != block)
    return keep_heads_across<Steps>(row, count, whole, odds, row_start);
  const uint64_t key = key_of_block(whole, block);
  for (int64_t j = 0; j < count; j += kLanes) {
    const Words index = lane_numbers() + Words(static_cast<uint32_t>(row_start + j));
    const Mask heads = coin(index, key) < odds.limits(j);
    put(row, j, select(heads, Steps::round(at(row, j) * odds.scales(j)), Floats(0.0f)));
  }
}

template <class Steps>
static void toss(float* row, int64_t count, const Sieve& sieve, int64_t row_start) {
  if (sieve.limit > 0xffffffffull) return;
  const SameOdds odds{static_cast<uint32_t>(sieve.limit), sieve.scale};
  keep_heads<Steps>(row, count, sieve.key, odds, row_start);
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
