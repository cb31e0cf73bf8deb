#include "core/order.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace taujp {
namespace {

constexpr int kBytes = 4, kValues = 256;

struct Histograms {
  uint32_t of[kBytes][kValues] = {};
};

inline int byte_of(uint64_t word, int place) {
  return static_cast<int>(word >> (32 + 8 * place) & 0xff);
}

// Magnitudes above indices, and how often each byte has which value.
void pair_up(const float* row, int64_t length, uint64_t* words, Histograms& counts) {
  for (int64_t j = 0; j < length; ++j) {
    uint32_t bits;
    memcpy(&bits, row + j, sizeof bits);
    words[j] = static_cast<uint64_t>(bits & 0x7fffffffu) << 32 | static_cast<uint64_t>(j);
    for (int place = 0; place < kBytes; ++place) ++counts.of[place][byte_of(words[j], place)];
  }
}

void distribute(const uint64_t* from, int64_t length, int place, uint32_t* counts, uint64_t* to) {
  uint32_t next = 0;
  for (int value = 0; value < kValues; ++value) next += std::exchange(counts[value], next);
  for (int64_t j = 0; j < length; ++j) to[counts[byte_of(from[j], place)]++] = from[j];
}

}  // namespace

const uint64_t* in_order(const float* row, int64_t length, uint64_t* room) {
  uint64_t *words = room, *other = room + length;
  Histograms counts;
  pair_up(row, length, words, counts);
  for (int place = 0; place < kBytes; ++place) {
    uint32_t* here = counts.of[place];
    if (here[byte_of(words[0], place)] == length) continue;  // all have the same byte
    distribute(words, length, place, here, other);
    std::swap(words, other);
  }
  return words;
}

}  // namespace taujp
