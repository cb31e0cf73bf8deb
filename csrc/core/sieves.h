// The sieves that need no reading (coins), and what the search for rank windows begins with.
#pragma once
#include <algorithm>
#include <cmath>
#include <vector>

#include "core/rank.h"
#include "core/recipe.h"
#include "core/run.h"
#include "core/scalar.h"

namespace taujp {

inline float density_scale(const Recipe& recipe, int i) {
  const double density = recipe.density[i];
  if (recipe.rescale != Rescale::density || density <= 0 || density >= 1) return 1.0f;
  return static_cast<float>(1.0 / density);
}

// Thresholds a checkpoint: one, or two where the largest are skipped.
inline int ranks_of(const Recipe& recipe) { return recipe.skip.empty() ? 1 : 2; }

struct Window {
  int64_t keep;  // elements that stay,
  int64_t skip;  // after so many of the largest
};

// Shares of `size` truncate in float64: 0.29 of 100 is 28, as int(0.29 * 100) is.
inline Window window_of(const Recipe& recipe, int i, int64_t size) {
  const double density = recipe.density[i];
  if (density >= 1) return {size, 0};
  int64_t keep = density <= 0 ? 0 : static_cast<int64_t>(density * static_cast<double>(size));
  if (recipe.keep_one && density > 0) keep = std::max<int64_t>(keep, 1);
  keep = std::min(keep, size);
  const double gamma = recipe.skip.empty() ? 0.0 : recipe.skip[i];
  const int64_t skip = static_cast<int64_t>(gamma * static_cast<double>(size));
  return {keep, std::min(skip, size - keep)};
}

inline int64_t share_of(double share, int64_t size) {
  return static_cast<int64_t>(share * static_cast<double>(size));
}

// The coins of a parameter.
inline std::vector<Sieve> coin_sieves(const Recipe& recipe, const Parameter& parameter) {
  std::vector<Sieve> sieves(recipe.checkpoints);
  for (int i = 0; i < recipe.checkpoints; ++i) {
    const double density = std::clamp(recipe.density[i], 0.0, 1.0);
    sieves[i].key = parameter.keys[i];
    sieves[i].limit = static_cast<uint64_t>(std::nearbyint(std::ldexp(density, 32)));
    sieves[i].scale = density_scale(recipe, i);
  }
  return sieves;
}

// The search for the sorted values at floor(q (size - 1)), q = 1/4, 1/2, 3/4.
inline RankSearch quartile_search(int64_t size) {
  RankSearch search;
  search.ranks = 3;
  search.edges = false;
  search.size = size;
  for (int k = 0; k < 3; ++k)
    search.wanted[k] = size - static_cast<int64_t>(0.25 * (k + 1) * static_cast<double>(size - 1));
  return search;
}

// What is at least the median + 1.5 (third - first quartile); quartiles as bits, none negative.
TAUJP_INLINE Above above_fence(uint32_t first, uint32_t median, uint32_t third) {
  const float fence = floats_of(median) + 1.5f * (floats_of(third) - floats_of(first));
  return {words_of(fence), INT64_MAX};
}

// The searches for the windows among so many elements: one a checkpoint.
inline std::vector<RankSearch> rank_searches(const Recipe& recipe, int64_t elements) {
  std::vector<RankSearch> searches(recipe.checkpoints);
  for (int i = 0; i < recipe.checkpoints; ++i) {
    const Window window = window_of(recipe, i, elements);
    searches[i].ranks = ranks_of(recipe);
    searches[i].size = elements;
    searches[i].wanted[0] = window.skip + window.keep;
    searches[i].wanted[1] = window.skip;
  }
  return searches;
}

}  // namespace taujp
