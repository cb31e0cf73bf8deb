// tau* = sum(w_i tau_i where the sign agrees) / sum(those w_i). A tied vote counts as +. Zeros
// abstain, from the divisor too; a divisor of exactly 0 counts as 1.
// TIES-merging (Yadav et al. 2023, arXiv 2306.01708). The sign is elected by
//   WeightedElection:   sign of sum_i w_i tau_i (mergekit),
//   UnweightedElection: sign of sum_i tau_i     (the paper).
// One pass: both sides are summed, the election picks one.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number>
struct Sides {
  Number vote, plus, minus, plus_weights, minus_weights;

  TAUJP_INLINE void start() { vote = plus = minus = plus_weights = minus_weights = Number(0.0f); }

  template <class Steps>
  TAUJP_INLINE void add(Number ballot, Number tau, Number weight) {
    const Number zero(0.0f);
    const auto up = ballot > zero;
    const auto down = ballot < zero;
    plus = select(up, Steps::add_product(plus, tau, weight), plus);
    minus = select(down, Steps::add_product(minus, tau, weight), minus);
    plus_weights = select(up, plus_weights + weight, plus_weights);
    minus_weights = select(down, minus_weights + weight, minus_weights);
  }

  TAUJP_INLINE auto positive() const { return vote >= Number(0.0f); }

  template <class Steps>
  TAUJP_INLINE Number elected() const {
    return Steps::round(select(positive(), plus, minus));
  }

  template <class Steps>
  TAUJP_INLINE Number elected_weights() const {
    const Number whole = Steps::round(select(positive(), plus_weights, minus_weights));
    return select(whole == Number(0.0f), Number(1.0f), whole);
  }
};

template <class Number, class Steps>
struct WeightedElection {
  static constexpr int looks = 1;
  Sides<Number> sides;

  TAUJP_INLINE void start(const float*) { sides.start(); }

  TAUJP_INLINE void take(Number tau, Number weight) {
    // The rounded product, not a fused one: +v and -v then cancel to a tie exactly.
    const Number ballot = Steps::product(tau, weight);
    sides.vote = sides.vote + ballot;
    sides.template add<Steps>(ballot, tau, weight);
  }

  TAUJP_INLINE Number total() const { return sides.template elected<Steps>(); }
  TAUJP_INLINE Number divisor() const { return sides.template elected_weights<Steps>(); }
};

template <class Number, class Steps>
struct UnweightedElection {
  static constexpr int looks = 1;
  Sides<Number> sides;

  TAUJP_INLINE void start(const float*) { sides.start(); }

  TAUJP_INLINE void take(Number tau, Number weight) {
    sides.vote = sides.vote + tau;
    sides.template add<Steps>(tau, tau, weight);
  }

  TAUJP_INLINE Number total() const { return sides.template elected<Steps>(); }
  TAUJP_INLINE Number divisor() const { return sides.template elected_weights<Steps>(); }
};

}  // namespace taujp
