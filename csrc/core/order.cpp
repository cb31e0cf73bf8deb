#include "core/order.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace taujp {
namespace {

constexpr int64_t kFew = 32;  // elements that are put in order one by one
constexpr int kWidest = 8;    // bits of a digit
constexpr int kParts = 4;

// abs(x_j) as bits, above j: such words order like what is asked for.
uint64_t word_of(const float* row, int64_t j) {
  uint32_t bits;
  memcpy(&bits, row + j, sizeof bits);
  return static_cast<uint64_t>(bits & 0x7fffffffu) << 32 | static_cast<uint64_t>(j);
}

const uint64_t* insert_all(const float* row, int64_t length, uint64_t* words) {
  for (int64_t j = 0; j < length; ++j) {
    const uint64_t word = word_of(row, j);
    int64_t place = j;
    for (; place > 0 && words[place - 1] > word; --place) words[place] = words[place - 1];
    words[place] = word;
  }
  return words;
}

// The bits of abs(x) in which elements differ.
uint32_t differing(const uint64_t* words, int64_t length) {
  uint64_t set = 0, everywhere = ~uint64_t{0};
  for (int64_t j = 0; j < length; ++j) set |= words[j], everywhere &= words[j];
  return static_cast<uint32_t>((set & ~everywhere) >> 32);
}

// Stable, by `width` bits from `shift` on. Each part of the row counts and goes on by itself: equal
// digits in a row, of which there are many, would else wait for each other.
void distribute(const uint64_t* from, int64_t length, int shift, int width, uint64_t* to) {
  const uint64_t mask = (uint64_t{1} << width) - 1;
  const int64_t part = length / kParts;
  uint32_t counts[kParts][1 << kWidest] = {}, next = 0;
  const auto at = [&](int p, int64_t j) -> uint32_t& {
    return counts[p][from[p * part + j] >> shift & mask];
  };
  const int64_t last = length - (kParts - 1) * part;  // the last part's size, the largest
  for (int64_t j = 0; j < part; ++j)
    for (int p = 0; p < kParts; ++p) ++at(p, j);
  for (int64_t j = part; j < last; ++j) ++at(kParts - 1, j);
  for (uint64_t value = 0; value <= mask; ++value)
    for (int p = 0; p < kParts; ++p) next += std::exchange(counts[p][value], next);
  for (int64_t j = 0; j < part; ++j)
    for (int p = 0; p < kParts; ++p) to[at(p, j)++] = from[p * part + j];
  for (int64_t j = part; j < last; ++j) to[at(kParts - 1, j)++] = from[(kParts - 1) * part + j];
}

}  // namespace

const uint64_t* in_order(const float* row, int64_t length, uint64_t* room) {
  uint64_t *words = room, *other = room + length;
  if (length <= kFew) return insert_all(row, length, words);
  for (int64_t j = 0; j < length; ++j) words[j] = word_of(row, j);
  // Task vectors of short formats differ in few bits: those are all that is sorted by.
  const uint32_t bits = differing(words, length);
  if (bits == 0) return words;
  const int lowest = __builtin_ctz(bits), span = 32 - __builtin_clz(bits) - lowest;
  const int passes = (span + kWidest - 1) / kWidest;
  const int width = (span + passes - 1) / passes;
  for (int pass = 0; pass < passes; ++pass) {
    distribute(words, length, 32 + lowest + pass * width, width, other);
    std::swap(words, other);
  }
  return words;
}

}  // namespace taujp
