// Which ranks of abs(tau) lie where: the windows that TIES and breadcrumbs keep, over one parameter
// or over all parameters of a model.
#pragma once
#include <functional>
#include <vector>

#include "core/recipe.h"
#include "core/tiles.h"

namespace taujp {

// Where the elements of a tile are: [begin, end) of a parameter that is valid until the thread's
// next call.
struct Piece {
  Parameter parameter;
  int64_t begin, end;
};
using Fetch = std::function<Piece(const Tile& tile, int thread)>;

// One sieve a checkpoint, over the elements of all the tiles together; cuts are counted along the
// tiles in the order given. Every tile is fetched three times, or four where magnitudes are tied.
std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Tile>& tiles,
                                 const Fetch& fetch, int threads);

// The same over parameters in memory.
std::vector<Sieve> window_sieves(const Recipe& recipe, const std::vector<Parameter>& parameters,
                                 int threads);

// The part of those windows that falls on the parameter whose first element is the `offset`-th.
std::vector<Sieve> shifted(std::vector<Sieve> sieves, int64_t offset);

}  // namespace taujp
