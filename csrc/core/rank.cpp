#include "core/rank.h"

namespace taujp {

RankSearch::RankSearch(const int64_t* wanted, int ranks, int64_t size) : ranks_(ranks), size_(size) {
  for (int k = 0; k < ranks; ++k) wanted_[k] = wanted[k];
}

void RankSearch::next_digit(int k, const int64_t* histogram) {
  const int bits = query_.round == 0 ? 11 : 10;
  int digit = (1 << bits) - 1;
  while (digit > 0 && above_[k] + histogram[digit] < wanted_[k]) above_[k] += histogram[digit--];
  query_.prefix[k] = query_.round == 0 ? digit : query_.prefix[k] << 10 | digit;
  const int64_t missing = wanted_[k] - above_[k];
  equals_kept_[k] = missing == histogram[digit] ? -1 : missing;
}

void RankSearch::advance(const int64_t* histograms) {
  // Every element has the same (empty) prefix in round 0, so it is counted once for all ranks.
  for (int k = 0; k < ranks_; ++k)
    next_digit(k, histograms + (query_.round == 0 ? 0 : k * kDigits));
  if (++query_.round < 3) return;
  for (int k = 0; k < ranks_; ++k) {
    if (wanted_[k] <= 0) query_.prefix[k] = 0x7fffffffu, equals_kept_[k] = 0;
    if (wanted_[k] >= size_) query_.prefix[k] = 0, equals_kept_[k] = -1;
  }
}

}  // namespace taujp
