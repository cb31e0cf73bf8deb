// One bit an element: what stays of a task vector, once it is known. Word w holds elements 64 w to
// 64 w + 63; a reader may look at one word more than there are elements. (Little-endian.)
#pragma once
#include <cstdint>
#include <cstring>

#include "core/portable.h"

namespace taujp {

TAUJP_INLINE int64_t bit_words(int64_t elements) { return (elements + 63) / 64; }

// Bits from `first` on, the lowest 32 of them at least.
TAUJP_INLINE uint64_t bits_from(const uint64_t* words, int64_t first) {
  uint64_t bits;
  memcpy(&bits, reinterpret_cast<const char*>(words) + first / 8, sizeof bits);
  return bits >> (first % 8);
}

// Writes `count` bits, behind which there are none, over zeros that begin at `first`. The words at
// the ends may hold others' bits as well, which other threads write meanwhile. (On the host.)
inline __attribute__((always_inline)) void place_bits(const uint64_t* bits, int64_t count,
                                                      uint64_t* to, int64_t first) {
  const int64_t shift = first % 64, words = bit_words(count);
  to += first / 64;
  uint64_t carried = 0;
  for (int64_t w = 0; w * 64 < shift + count; ++w) {
    const uint64_t next = w < words ? bits[w] : 0, word = next << shift | carried;
    carried = shift == 0 ? 0 : next >> (64 - shift);
    if (w * 64 < shift || (w + 1) * 64 > shift + count)
      __atomic_fetch_or(to + w, word, __ATOMIC_RELAXED);
    else
      to[w] = word;
  }
}

}  // namespace taujp
