// sum_i w_i tau_i, over sum_i w_i if normalised.
// Model soups (Wortsman et al. 2022, arXiv 2203.05482); with a base, task arithmetic (Ilharco et
// al. 2023, arXiv 2212.04089). A divisor below 1e-8 in magnitude counts as 1, as in mergekit.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Steps>
struct Linear {
  static constexpr int looks = 1;
  Number sum, weights;

  TAUJP_INLINE void start(const float*) { sum = weights = Number(0.0f); }

  TAUJP_INLINE void take(Number tau, Number weight) {
    sum = Steps::add_product(sum, tau, weight);
    weights = weights + weight;
  }

  TAUJP_INLINE Number total() const { return Steps::round(sum); }

  TAUJP_INLINE Number divisor() const {
    const Number whole = Steps::round(weights);
    return select(absolute(whole) < Number(1e-8f), Number(1.0f), whole);
  }
};

}  // namespace taujp
