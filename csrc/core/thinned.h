// Merging rows that are thinned by rank first: a few rows of every checkpoint at a time, in memory
// as fp32.
#pragma once
#include <cstdint>
#include <vector>

#include "core/recipe.h"

namespace taujp {

// What a coin is compared with, and what stays is multiplied with, by rank [row]; none where
// everything stays.
struct OddsByRank {
  std::vector<uint32_t> limits;
  std::vector<float> scales;
};

// One a checkpoint.
std::vector<OddsByRank> odds_by_rank(const Recipe& recipe, int64_t row);

// Elements to a tile: whole rows of the parameter.
int64_t thinned_tile(const Parameter& parameter);

// Scales that keep the L1 norm of every thinned checkpoint (mergekit), in sieves that keep all.
std::vector<Sieve> thinned_scales(const Recipe& recipe, const Parameter& parameter,
                                  const std::vector<OddsByRank>& odds, int threads);

// Merges elements [begin, end), whole rows; `sieves` as thinned_scales makes them, or none.
// Returns true when an input held a NaN or an infinity.
bool merge_thinned(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                   const std::vector<OddsByRank>& odds, const std::vector<Sieve>& sieves);

}  // namespace taujp
