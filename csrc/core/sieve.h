// What a sparsifier lets through of one checkpoint's task vector.
#pragma once
#include <cstdint>

#include "merge/magnitude.h"

namespace taujp {

// What is kept of one checkpoint's task vector, and how it is scaled.
struct Sieve {
  Above keep{0, INT64_MAX};     // magnitude: what is above this stays
  Above skip{0x7fffffffu, 0};   // magnitude: unless it is above this
  uint64_t key = 0;             // random: the coins
  uint64_t limit = 1ull << 32;  // random: heads below this, out of 2^32
  float scale = 1.0f;           // of what is kept
};

}  // namespace taujp
