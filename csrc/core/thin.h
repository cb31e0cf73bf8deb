// Thinning rows by the rank of their elements: DELLA (merge/odds.h).
// Included by core/level.h inside a level.
#pragma once
#include "core/chosen.h"
#include "core/order.h"

namespace taujp {
namespace TAUJP_LEVEL {

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

template <class Steps>
static bool thin_rows(const Run& run, int i, const Thinning& thinning) {
  Floats poison(0.0f);
  for (int64_t begin = run.begin; begin < run.end; begin += run.row) {
    float* out = thinning.out + (begin - run.begin);
    read_whole_row<Steps>(run, i, begin, out, poison);
    if (thinning.limits == nullptr) continue;
    const OwnOdds odds = odds_by_element(thinning, out, run.row);
    keep_heads<Steps>(out, run.row, thinning.key, odds, run.first + begin);
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
