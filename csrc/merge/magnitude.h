// Keep a window of the ranks of abs(tau): TIES' trim (the k largest), breadcrumbs (those below
// the top gamma; Davari & Belilovsky 2024, arXiv 2312.06795). Elements are ranked by magnitude,
// equal ones by index, lowest first, so that exactly k are kept whatever the ties.
#pragma once
#include <cstdint>

#include "core/portable.h"

namespace taujp {

// Every element larger than `bits`, and of those equal to it the ones before index `cut`.
struct Above {
  uint32_t bits = 0;
  int64_t cut = INT64_MAX;
};

// `local` is the element's index in its row, `cut` the row's: Above::cut less the row's start.
template <class Words>
TAUJP_INLINE auto is_above(Words bits, Words local, uint32_t threshold, uint32_t cut) {
  return (bits > Words(threshold)) | ((bits == Words(threshold)) & (local < Words(cut)));
}

}  // namespace taujp
