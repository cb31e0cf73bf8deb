// A shortcut to the rank search: a small sample says between which magnitudes the threshold must
// lie; one pass then counts what is above and gathers the few in between, among which it is found
// exactly. Where the sample misled (or magnitudes are tied in masses) nothing is claimed and the
// full search decides: the answer is the same either way.
#pragma once
#include <vector>

#include "core/rank.h"
#include "core/windows.h"

namespace taujp {

constexpr int64_t kWorthwhile = 1 << 18;  // elements; below, three passes cost less than a sample

// True: all searches are done, and equal [tiles][N][ranks] counts the elements at each threshold.
// False: everything is as it was.
bool find_by_bracket(const Recipe& recipe, const std::vector<Tile>& tiles, const Fetch& fetch,
                     int threads, std::vector<RankSearch>& searches, std::vector<int64_t>& equal);

// Every measure as bits at evenly spread places: [N] samples, or one of variances.
std::vector<std::vector<uint32_t>> sample(const Recipe& recipe, const std::vector<Tile>& tiles,
                                          const Fetch& fetch, int64_t elements);

// The bits between which the wanted-th largest lies, if the sample speaks for all.
Bracket bracket_of(std::vector<uint32_t> sample, int64_t wanted, int64_t elements);

// Finds threshold k, from how many elements lie above a bracket and the bits of those within it;
// false where it is not among them.
bool settle(RankSearch& search, int k, int64_t above, std::vector<uint32_t> between);

}  // namespace taujp
