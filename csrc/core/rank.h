// Finds which elements are the r largest by magnitude without sorting: abs(x) as bits orders
// like abs(x), so three histograms of 11, 10 and 10 bits spell out the r-th largest exactly.
// Counts are integers: any thread, any tile, any order, any device gives the same.
#pragma once
#include <cstdint>

#include "core/portable.h"
#include "core/run.h"

namespace taujp {

// The search for a few ranks of one measure.
struct RankSearch {
  int ranks = 1;
  bool edges = true;                 // of windows: where all or nothing is kept they need no search
  int64_t size = 0;                  // elements in all
  int64_t wanted[kRanks] = {};       // how many are to lie above threshold k
  RankQuery query = {};              // what to count next; after round 3: the thresholds' bits
  int64_t above[kRanks] = {};        // elements larger than all that have the prefix
  int64_t equals_kept[kRanks] = {};  // of those equal to it: all (-1), or the first so many

  TAUJP_INLINE bool done() const { return query.round == 3; }

  // Takes the histograms [ranks][kDigits] that were counted for `query`.
  template <class Count>
  TAUJP_INLINE void advance(const Count* histograms) {
    // Every element has the same (empty) prefix in round 0, so it is counted once for all ranks.
    for (int k = 0; k < ranks; ++k)
      next_digit(k, histograms + (query.round == 0 ? 0 : k * kDigits));
    if (++query.round == 3) finish();
  }

  // What needs no counting: nothing above, or everything.
  TAUJP_INLINE void finish() {
    query.round = 3;
    if (!edges) return;
    for (int k = 0; k < ranks; ++k) {
      if (wanted[k] <= 0) query.prefix[k] = 0x7fffffffu, equals_kept[k] = 0;
      if (wanted[k] >= size) query.prefix[k] = 0, equals_kept[k] = -1;
    }
  }

  template <class Count>
  TAUJP_INLINE void next_digit(int k, const Count* histogram) {
    int digit = (query.round == 0 ? 2048 : 1024) - 1;
    while (digit > 0 && above[k] + static_cast<int64_t>(histogram[digit]) < wanted[k])
      above[k] += static_cast<int64_t>(histogram[digit--]);
    query.prefix[k] = query.round == 0 ? digit : query.prefix[k] << 10 | digit;
    const int64_t missing = wanted[k] - above[k];
    equals_kept[k] = missing == static_cast<int64_t>(histogram[digit]) ? -1 : missing;
  }
};

}  // namespace taujp
