// tau* = the w_i tau_i of largest magnitude; between +v and -v, +v.
// MagMax (Marczak et al. 2024, arXiv 2407.06322), where all w are equal; a weight of 0 takes a
// checkpoint out. Normalised: over the winner's weight.
#pragma once
#include "core/portable.h"

namespace taujp {

template <class Number, class Steps>
struct Largest {
  static constexpr int looks = 1;
  Number winner, weight_of_winner;

  TAUJP_INLINE void start(const float*) { winner = weight_of_winner = Number(0.0f); }

  TAUJP_INLINE void take(Number tau, Number weight) {
    const Number value = Steps::product(tau, weight);
    const Number size = absolute(value), best = absolute(winner);
    const auto wins = (size > best) | ((size == best) & (value > winner));
    winner = select(wins, value, winner);
    weight_of_winner = select(wins, weight, weight_of_winner);
  }

  TAUJP_INLINE Number total() const { return winner; }

  TAUJP_INLINE Number divisor() const {
    return select(weight_of_winner == Number(0.0f), Number(1.0f), weight_of_winner);
  }
};

}  // namespace taujp
