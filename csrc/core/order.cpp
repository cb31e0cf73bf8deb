#include "core/order.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace taujp {
namespace {

constexpr int kBytes = 4, kValues = 256;
constexpr int64_t kFew = 32;  // elements that are put in order one by one

using Counts = uint32_t[kBytes][kValues];  // how often each byte has which value

int byte_of(uint64_t word, int place) { return static_cast<int>(word >> (32 + 8 * place) & 0xff); }

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

void distribute(const uint64_t* from, int64_t length, int place, Counts& counts, uint64_t* to) {
  uint32_t next = 0;
  for (uint32_t& count : counts[place]) next += std::exchange(count, next);
  for (int64_t j = 0; j < length; ++j) to[counts[place][byte_of(from[j], place)]++] = from[j];
}

}  // namespace

const uint64_t* in_order(const float* row, int64_t length, uint64_t* room) {
  uint64_t *words = room, *other = room + length;
  if (length <= kFew) return insert_all(row, length, words);
  Counts counts = {};
  for (int64_t j = 0; j < length; ++j) {
    words[j] = word_of(row, j);
    for (int place = 0; place < kBytes; ++place) ++counts[place][byte_of(words[j], place)];
  }
  for (int place = 0; place < kBytes; ++place) {
    if (counts[place][byte_of(words[0], place)] == length) continue;  // all have the same byte
    distribute(words, length, place, counts, other);
    std::swap(words, other);
  }
  return words;
}

}  // namespace taujp
