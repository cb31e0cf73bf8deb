// DELLA's odds of every rank of a row, as tables: for the host and for CUDA, whose kernels are in
// libraries of their own.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/recipe.h"
#include "merge/odds.h"

namespace taujp {

// What a coin is compared with, and what stays is multiplied with, by rank [row]; none where
// everything stays.
struct OddsByRank {
  std::vector<uint32_t> limits;
  std::vector<float> scales;
};

inline OddsByRank odds_of_one(const Recipe& recipe, int i, int64_t row) {
  const double density = recipe.density[i];
  OddsByRank odds;
  if (density >= 1) return odds;
  odds.limits.assign(row, 0);
  odds.scales.assign(row, 1.0f);
  for (int64_t rank = 0; rank < row && density > 0; ++rank) {
    const double p = odds_of(rank, row, density, recipe.spread[i]);
    odds.limits[rank] = limit_of(p);
    if (recipe.rescale == Rescale::density) odds.scales[rank] = static_cast<float>(1.0 / p);
  }
  return odds;
}

// One a checkpoint.
inline std::vector<OddsByRank> odds_by_rank(const Recipe& recipe, int64_t row) {
  if (row >= int64_t{1} << 32)
    throw std::invalid_argument("a row of " + std::to_string(row) +
                                " elements; ranks are found in rows of less than 2^32");
  std::vector<OddsByRank> odds;
  for (int i = 0; i < recipe.checkpoints; ++i) odds.push_back(odds_of_one(recipe, i, row));
  return odds;
}

}  // namespace taujp
