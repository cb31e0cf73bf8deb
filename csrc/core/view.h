// How a parameter is looked at before it is merged: piece by piece, wherever its elements are.
#pragma once
#include <algorithm>
#include <functional>
#include <vector>

#include "core/tiles.h"

namespace taujp {

// Where the elements of a tile are: [begin, end) of a parameter that is valid until the thread's
// next call.
struct Piece {
  Parameter parameter;
  int64_t begin, end;
};
using Fetch = std::function<Piece(const Tile& tile, int thread)>;

struct View {
  Parameter parameter;  // of its data only what lies in memory
  Fetch fetch;
  int threads = 1;
  int64_t together = kTile;  // elements to a piece: a multiple of kSumBlock

  std::vector<Tile> tiles() const { return cut_tiles({parameter}, together); }

  // Tiles of whole rows, of about as many elements.
  std::vector<Tile> tiles_of_rows() const {
    const int64_t row = std::max<int64_t>(parameter.row, 1);
    return cut_tiles({parameter}, std::max<int64_t>(together / row, 1) * row);
  }
};

inline View in_memory(const Parameter& parameter, int threads) {
  const auto fetch = [parameter](const Tile& tile, int) {
    return Piece{parameter, tile.begin, tile.end};
  };
  return {parameter, fetch, threads};
}

}  // namespace taujp
