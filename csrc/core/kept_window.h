// What a window of ranks (core/sieve.h) keeps of a row: one comparison, but for the rows in which
// equal magnitudes are split by their index.
// Included by core/level.h inside a level.
#pragma once
#include "core/rows.h"

namespace taujp {
namespace TAUJP_LEVEL {

// Where the row begins in the whole tensor, and how much of `cut` falls into it.
TAUJP_INLINE uint32_t cut_in_row(int64_t cut, int64_t row_start) {
  const int64_t local = cut - row_start;
  return local <= 0      ? 0u
         : local >= kRow ? static_cast<uint32_t>(kRow)
                         : static_cast<uint32_t>(local);
}

// Whether ties at the edge end within a row: some of them are above it, some are not.
TAUJP_INLINE bool splits(uint32_t cut, int64_t count) { return cut > 0 && cut < count; }

// The smallest bits above an edge that does not split the row.
TAUJP_INLINE uint32_t least_above(const Above& above, uint32_t cut) {
  return above.bits + (cut == 0);
}

// Which lanes a window keeps, where its edges do not split the row ...
struct WholeWindow {
  uint32_t least, width;  // bits from least on, so many

  TAUJP_INLINE Mask keeps(Words bits, int64_t) const {
    return (bits - Words(least)) < Words(width);
  }
};

// ... or wherever they are.
struct SplitWindow {
  const Sieve& sieve;
  uint32_t keep_cut, skip_cut;

  TAUJP_INLINE Mask keeps(Words bits, int64_t j) const {
    const Words local = lane_numbers() + Words(static_cast<uint32_t>(j));
    return is_above(bits, local, sieve.keep.bits, keep_cut) &
           ~is_above(bits, local, sieve.skip.bits, skip_cut);
  }
};

// Calls visit(window) with the window of a row of `count` elements that begins at `row_start`.
template <class Visit>
TAUJP_INLINE void with_window(const Sieve& sieve, int64_t row_start, int64_t count, Visit visit) {
  const uint32_t keep_cut = cut_in_row(sieve.keep.cut, row_start);
  const uint32_t skip_cut = cut_in_row(sieve.skip.cut, row_start);
  if (splits(keep_cut, count) || splits(skip_cut, count))
    return visit(SplitWindow{sieve, keep_cut, skip_cut});
  const uint32_t least = least_above(sieve.keep, keep_cut);
  const uint32_t end = least_above(sieve.skip, skip_cut);
  visit(WholeWindow{least, end > least ? end - least : 0});
}

// Keeps of a row what its sieve keeps of `measured`, the row itself or another of its length.
template <class Steps>
static void keep_window(float* row, const float* measured, int64_t count, const Sieve& sieve,
                        int64_t row_start) {
  const Floats scale(sieve.scale);
  with_window(sieve, row_start, count, [&](const auto& window) TAUJP_INLINE_LAMBDA {
    for (int64_t j = 0; j < count; j += kLanes) {
      const Mask kept = window.keeps(magnitude_bits(at(measured, j)), j);
      put(row, j, select(kept, Steps::round(at(row, j) * scale), Floats(0.0f)));
    }
  });
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
