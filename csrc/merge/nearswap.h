// tau* = sum_i s_i tau_i, s_i = w_i / max(abs(tau_i), 1e-6) within [0, 1]: no element moves further
// than w_i. NearSwap, for one checkpoint, as in mergekit 0.1.5.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Steps>
struct Near {
  static constexpr int looks = 1;
  Number sum;

  TAUJP_INLINE void start(const float*) { sum = Number(0.0f); }

  TAUJP_INLINE void take(Number tau, Number weight) {
    const Number zero(0.0f), one(1.0f), least(1e-6f), size = absolute(tau);
    const Number share = Steps::round(weight / select(size > least, size, least));
    const Number within = select(share > zero, select(share < one, share, one), zero);
    sum = sum + Steps::product(tau, within);
  }

  TAUJP_INLINE Number total() const { return Steps::round(sum); }
  TAUJP_INLINE Number divisor() const { return Number(1.0f); }
};

}  // namespace taujp
