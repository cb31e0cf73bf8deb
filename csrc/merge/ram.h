// Over the tau_i with abs(tau_i) > dial 0: tau* = w_i tau_i where one alone changed the element,
// the mean of tau_i where several did, 0 where none did.
// RAM (arXiv 2601.13572) with all w = 1; RAM+ with w_i = 1 + r min(shared_i / unique_i, alpha),
// which core/statistics.h counts.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Steps>
struct OwnOrMean {
  static constexpr int looks = 1;
  Number least, sum, own, count;

  TAUJP_INLINE void start(const float* dials) {
    least = Number(dials[0]);
    sum = own = count = Number(0.0f);
  }

  TAUJP_INLINE void take(Number tau, Number weight) {
    const auto changed = absolute(tau) > least;
    sum = select(changed, sum + tau, sum);
    own = select(changed, Steps::product(tau, weight), own);
    count = select(changed, count + Number(1.0f), count);
  }

  TAUJP_INLINE Number total() const {
    const Number one(1.0f);
    const Number mean = Steps::round(Steps::round(sum) / select(count > one, count, one));
    return select(count == one, own, mean);
  }
  TAUJP_INLINE Number divisor() const { return Number(1.0f); }
};

}  // namespace taujp
