#include "core/order.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace taujp {
namespace {

constexpr int64_t kFew = 32;     // elements that are put in order one by one
constexpr int64_t kLong = 4096;  // elements from which on fewer, wider digits pay
constexpr int kWidest = 11;      // bits of a digit

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

// Stable, by `width` bits from `shift` on.
void distribute(const uint64_t* from, int64_t length, int shift, int width, uint64_t* to) {
  const uint64_t mask = (uint64_t{1} << width) - 1;
  uint32_t counts[1 << kWidest] = {}, next = 0;
  for (int64_t j = 0; j < length; ++j) ++counts[from[j] >> shift & mask];
  for (uint64_t value = 0; value <= mask; ++value) next += std::exchange(counts[value], next);
  for (int64_t j = 0; j < length; ++j) to[counts[from[j] >> shift & mask]++] = from[j];
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
  const int widest = length < kLong ? 8 : kWidest, passes = (span + widest - 1) / widest;
  const int width = (span + passes - 1) / passes;
  for (int pass = 0; pass < passes; ++pass) {
    distribute(words, length, 32 + lowest + pass * width, width, other);
    std::swap(words, other);
  }
  return words;
}

}  // namespace taujp
