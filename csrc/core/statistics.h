// What a merge has to know of a whole parameter before its elements can be merged one by one.
#pragma once
#include <vector>

#include "core/recipe.h"
#include "core/thinned.h"

namespace taujp {

struct Statistics {
  std::vector<Sieve> sieves;     // [N], or none where nothing is sparsified
  std::vector<float> factors;    // [N, rows]: importance
  std::vector<OddsByRank> odds;  // [N]: rank
  Thinned thinned;               // rank, where L1 norms are kept
  std::vector<float> coefs;      // [K, N] where they are weighed, else none

  // The parameter as it is merged.
  Parameter applied(Parameter parameter) const {
    if (!factors.empty()) parameter.factors = factors.data();
    if (!coefs.empty()) parameter.coefs = coefs.data();
    return parameter;
  }
};

// Whether there is nothing of the kind, whatever the numbers.
bool needs_none(const Recipe& recipe);

Statistics statistics_of(const Recipe& recipe, const Parameter& parameter, int threads);

}  // namespace taujp
