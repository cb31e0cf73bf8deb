// Thinning rows by the rank of their elements: DELLA (merge/odds.h).
// Included by core/level.h inside a level.
#pragma once
#include "core/measured.h"
#include "core/order.h"

namespace taujp {
namespace TAUJP_LEVEL {

// A whole row of tau_i, as long as it is, into `out`; registers may write behind its end.
template <class Steps>
static void read_long_row(const Run& run, int i, int64_t begin, float* out, Floats& poison) {
  for (int64_t first = begin; first < begin + run.row; first += kRow) {
    const int64_t left = begin + run.row - first, count = left < kRow ? left : kRow;
    read_base(run, first, count, poison);
    read_tau<Steps>(run, i, first, count, poison);
    memcpy(out + (first - begin), row_of(run, i), count * sizeof(float));
  }
}

// By element what `thinning` has by rank.
static OwnOdds odds_by_element(const Thinning& thinning, const float* row, int64_t length) {
  const uint64_t* order = in_order(row, length, thinning.room);
  auto* limits = reinterpret_cast<uint32_t*>(thinning.room + 2 * length);
  auto* scales = reinterpret_cast<float*>(limits + length);
  for (int64_t rank = 0; rank < length; ++rank) {
    const uint32_t j = static_cast<uint32_t>(order[rank]);
    limits[j] = thinning.limits[rank];
    scales[j] = thinning.scales[rank];
  }
  return {limits, scales};
}

// Bit j of `kept` where element j is not zero.
static void note_kept(const float* row, int64_t length, uint64_t* kept) {
  for (int64_t j = 0; j < length; j += kLanes) {
    const uint32_t left = static_cast<uint32_t>(length - j < kLanes ? length - j : kLanes);
    const Mask stays = (at(row, j) != Floats(0.0f)) & (lane_numbers() < Words(left));
    kept[j / 64] |= static_cast<uint64_t>(lane_set(stays)) << (j % 64);
  }
}

template <class Steps>
static void leave_kept(float* row, int64_t length, const uint64_t* kept) {
  for (int64_t j = 0; j < length; j += kLanes) {
    const Words set(static_cast<uint32_t>(kept[j / 64] >> (j % 64)));
    const Words bit(WordBits((set.bits >> lane_numbers().bits) & 1u));
    put(row, j, select(bit == Words(1u), Steps::round(at(row, j)), Floats(0.0f)));
  }
}

template <class Steps>
static bool thin_rows(const Run& run, int i, const Thinning& thinning) {
  Floats poison(0.0f);
  const int64_t words = kept_words(run.row);
  int64_t bits = 0;
  for (int64_t begin = run.begin; begin < run.end; begin += run.row, bits += words) {
    float* out = thinning.out + (begin - run.begin);
    read_long_row<Steps>(run, i, begin, out, poison);
    if (thinning.limits == nullptr) continue;
    if (thinning.known != nullptr) {
      leave_kept<Steps>(out, run.row, thinning.known + bits);
      continue;
    }
    const OwnOdds odds = odds_by_element(thinning, out, run.row);
    keep_heads<Steps>(out, run.row, thinning.key, odds, run.first + begin);
    if (thinning.noted != nullptr) note_kept(out, run.row, thinning.noted + bits);
  }
  return any(poison != Floats(0.0f));
}

static bool thin(const Run& run, int i, const Thinning& thinning) {
  switch (run.rounding) {
    case Rounding::f16: return thin_rows<Stepwise<Dtype::f16>>(run, i, thinning);
    case Rounding::bf16: return thin_rows<Stepwise<Dtype::bf16>>(run, i, thinning);
    default: return thin_rows<Exact>(run, i, thinning);
  }
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
