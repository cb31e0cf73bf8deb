// tau* = s = sum_i w_i tau_i where dial 1 or more of the tasks need the element, else 0; task i
// needs it where abs(w_i tau_i) >= dial 0 times abs(s - w_i tau_i), its TALL mask. Where dial 1 is
// -k, the k-th task alone is asked.
// Consensus merging (Wang et al. 2024, arXiv 2405.07813). A second look at every tau counts the
// votes once the sum is known.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Steps>
struct Consensus {
  static constexpr int looks = 2;
  Number share, needed, sum, votes;
  int voter, seen;

  TAUJP_INLINE void start(const float* dials) {
    share = Number(dials[0]);
    voter = dials[1] < 0 ? static_cast<int>(-dials[1]) : 0;
    needed = Number(voter > 0 ? 1.0f : dials[1]);
    sum = votes = Number(0.0f);
    seen = 0;
  }

  TAUJP_INLINE void take(Number tau, Number weight) { sum = sum + Steps::product(tau, weight); }

  TAUJP_INLINE void take_again(Number tau, Number weight) {
    if (voter > 0 && ++seen != voter) return;
    const Number term = Steps::product(tau, weight);
    const Number rest = Steps::product(absolute(Steps::round(Steps::round(sum) - term)), share);
    votes = select(absolute(term) >= rest, votes + Number(1.0f), votes);
  }

  TAUJP_INLINE Number total() const {
    return select(votes >= needed, Steps::round(sum), Number(0.0f));
  }
  TAUJP_INLINE Number divisor() const { return Number(1.0f); }
};

}  // namespace taujp
