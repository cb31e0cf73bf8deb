// Which ranks of a measure lie where: the windows that TIES, breadcrumbs and SCE keep, over one
// parameter or over all parameters of a model.
#pragma once
#include <vector>

#include "core/rank.h"
#include "core/recipe.h"
#include "core/view.h"

namespace taujp {

// Where the wanted ranks of every measure end, over the elements of all the tiles together
// [searches * ranks]; cuts are counted along the tiles in the order given. Every tile is fetched
// three times, or four where measures are tied.
std::vector<Above> find_edges(const Recipe& recipe, const std::vector<Tile>& tiles,
                              const Fetch& fetch, int threads, std::vector<RankSearch> searches);

// The same of one parameter.
std::vector<Above> find_edges(const Recipe& recipe, const View& view,
                              std::vector<RankSearch> searches);

// One sieve a checkpoint, of magnitudes.
std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Tile>& tiles,
                                 const Fetch& fetch, int threads);

// The same over parameters in memory.
std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Parameter>& parameters,
                                 int threads);

// The part of those windows that falls on the parameter whose first element is the `offset`-th.
std::vector<Sieve> shifted(std::vector<Sieve> sieves, int64_t offset);

}  // namespace taujp
