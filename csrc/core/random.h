// A coin for every element, from nothing but (key, index): the same mask on any device, for any
// number of threads and in any order. key = hash(seed, checkpoint, parameter name), made once a
// parameter; two rounds of a 32-bit finaliser ("lowbias32", C. Wellons, public domain constants)
// with half of the key added before each.
#pragma once
#include <cstdint>

#include "core/portable.h"

namespace taujp {

template <class Words>
TAUJP_INLINE Words scramble(Words x) {
  x = x ^ (x >> 16);
  x = x * 0x7feb352du;
  x = x ^ (x >> 15);
  x = x * 0x846ca68bu;
  return x ^ (x >> 16);
}

// Uniform over all 32-bit words. `index` is the element's index modulo 2^32; what lies above is
// folded into the key by `key_of_block`.
template <class Words>
TAUJP_INLINE Words coin(Words index, uint64_t key) {
  const Words once = scramble(index + Words(static_cast<uint32_t>(key)));
  return scramble(once + Words(static_cast<uint32_t>(key >> 32)));
}

TAUJP_INLINE uint64_t mix64(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
  return x ^ (x >> 31);
}

// The key for elements [block * 2^32, (block + 1) * 2^32).
TAUJP_INLINE uint64_t key_of_block(uint64_t key, uint64_t block) {
  return block == 0 ? key : mix64(key + block * 0x9e3779b97f4a7c15ull);
}

}  // namespace taujp
