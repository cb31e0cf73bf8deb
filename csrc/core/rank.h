// Finds which elements are the r largest by magnitude without sorting: abs(tau) as bits orders
// like abs(tau), so three histograms of 11, 10 and 10 bits spell out the r-th largest exactly.
// Counts are integers: any thread, any tile, any order gives the same.
#pragma once
#include <cstdint>

#include "core/run.h"

namespace taujp {

class RankSearch {
 public:
  // wanted[k]: how many elements are to lie above threshold k, out of `size`.
  RankSearch(const int64_t* wanted, int ranks, int64_t size);

  const RankQuery& query() const { return query_; }
  bool done() const { return query_.round == 3; }

  // Takes the histograms [ranks][kDigits] that Level::count_digits filled for query().
  void advance(const int64_t* histograms);

  // After done(): the bits of the last element above threshold k ...
  uint32_t bits(int k) const { return query_.prefix[k]; }
  // ... and how many of those equal to it are above as well: all (-1), or the first so many.
  int64_t equals_kept(int k) const { return equals_kept_[k]; }

 private:
  void next_digit(int k, const int64_t* histogram);

  int ranks_;
  int64_t size_;
  RankQuery query_{};
  int64_t wanted_[2] = {};
  int64_t above_[2] = {};  // elements larger than everything with the prefix
  int64_t equals_kept_[2] = {};
};

}  // namespace taujp
