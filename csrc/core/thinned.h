// Merging rows that are thinned by rank first: by what stays of them, found once; or, where what
// stays is scaled by its rank, a few rows of every checkpoint at a time, in memory as fp32.
#pragma once
#include <cstdint>
#include <vector>

#include "core/odds_by_rank.h"
#include "core/survivors.h"
#include "core/view.h"

namespace taujp {

// Elements to work on at a time: whole rows of the parameter.
int64_t thinned_tile(const Parameter& parameter);

// What stays, so that it is ranked once, and scales that keep the L1 norm of every thinned
// checkpoint (mergekit): one pass over a parameter.
Survivors thinned_by_norms(const Recipe& recipe, const View& view,
                           const std::vector<OddsByRank>& odds);

// Merges elements [begin, end), whole rows, where no norms are kept.
// Returns true when an input held a NaN or an infinity.
bool merge_thinned(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                   const std::vector<OddsByRank>& odds);

}  // namespace taujp
