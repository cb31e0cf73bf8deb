// Many parameters as pieces of work of about equal size.
#pragma once
#include <algorithm>
#include <vector>

#include "core/recipe.h"

namespace taujp {

struct Tile {
  int64_t parameter;
  int64_t begin, end;  // elements of it
  int64_t before;      // elements of all parameters that come before this tile
};

constexpr int64_t kTile = 1 << 16;

// Tiles start at multiples of elements_of(parameter) in it; an empty parameter has none.
template <class ElementsOf>
std::vector<Tile> cut_tiles_by(const std::vector<Parameter>& parameters, ElementsOf elements_of) {
  std::vector<Tile> tiles;
  int64_t before = 0;
  for (size_t p = 0; p < parameters.size(); ++p) {
    const int64_t elements = elements_of(parameters[p]);
    for (int64_t begin = 0; begin < parameters[p].size; begin += elements) {
      const int64_t end = std::min(begin + elements, parameters[p].size);
      tiles.push_back({static_cast<int64_t>(p), begin, end, before});
      before += end - begin;
    }
  }
  return tiles;
}

inline std::vector<Tile> cut_tiles(const std::vector<Parameter>& parameters,
                                   int64_t elements = kTile) {
  return cut_tiles_by(parameters, [&](const Parameter&) { return elements; });
}

}  // namespace taujp
