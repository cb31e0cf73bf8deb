// What a merge has to know of a whole parameter before its elements can be merged one by one.
#pragma once
#include <utility>
#include <vector>

#include "core/recipe.h"
#include "core/odds_by_rank.h"
#include "core/survivors.h"
#include "core/view.h"

namespace taujp {

struct Statistics {
  Survivors survivors;         // of rank: where L1 norms are kept
  std::vector<float> factors;  // [N, rows]: importance
  int64_t rows = 0;
  std::vector<OddsByRank> odds;  // [N]: rank
  std::vector<float> coefs;      // [K, N] where they are weighed, else none

  // The parameter, or a run of its elements, as it is merged.
  Parameter applied(Parameter parameter) const {
    if (!factors.empty()) parameter.factors = factors.data(), parameter.rows = rows;
    if (!coefs.empty()) parameter.coefs = coefs.data();
    return parameter;
  }

  // As long as these statistics live.
  View applied(View view) const {
    view.fetch = [this, fetch = std::move(view.fetch)](const Tile& tile, int thread) {
      Piece piece = fetch(tile, thread);
      piece.parameter = applied(piece.parameter);
      return piece;
    };
    return view;
  }
};

// Whether there is nothing of the kind, whatever the numbers.
bool needs_none(const Recipe& recipe);

Statistics statistics_of(const Recipe& recipe, const View& view);

}  // namespace taujp
