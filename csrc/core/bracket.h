// A shortcut to the rank search: a small sample says between which magnitudes the threshold must
// lie; one pass then counts what is above and gathers the few in between, among which it is found
// exactly. Where the sample misled (or magnitudes are tied in masses) nothing is claimed and the
// full search decides: the answer is the same either way.
#pragma once
#include <vector>

#include "core/rank.h"
#include "core/windows.h"

namespace taujp {

// True: all searches are done, and equal [tiles][N][ranks] counts the elements at each threshold.
// False: everything is as it was.
bool find_by_bracket(const Recipe& recipe, const std::vector<Tile>& tiles, const Fetch& fetch,
                     int threads, std::vector<RankSearch>& searches, std::vector<int64_t>& equal);

// The same of one measure, where a share of what is not zero lies above: how much that is the pass
// counts as well. False: the search may have got its `wanted`.
bool find_share_by_bracket(const Recipe& recipe, const View& view, double share,
                           std::vector<RankSearch>& searches, std::vector<int64_t>& equal);

}  // namespace taujp
