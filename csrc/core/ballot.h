// A row whose elements are chosen from: its coins, a histogram of its magnitudes, and ranks where
// somebody asks.
// Included by core/level.h inside a level.
#pragma once
#include "core/bits.h"
#include "core/measured.h"

namespace taujp {
namespace TAUJP_LEVEL {

constexpr int64_t kLong = 4096;  // rows worth more bins
constexpr int kTables = 4;       // of counts: equal digits in a row would wait

TAUJP_INLINE Words words_at(const uint32_t* row, int64_t j) {
  WordBits bits;
  memcpy(&bits, row + j, sizeof bits);
  return Words(bits);
}
TAUJP_INLINE void put_words(uint32_t* row, int64_t j, Words x) {
  memcpy(row + j, &x.bits, sizeof x.bits);
}

// A row that is chosen from, zeros behind it to the end of a register, and what it takes.
struct Ballot {
  int64_t length;
  const uint32_t* limits;     // [length] by rank
  uint64_t *kept, *open;      // bits: what stays, what a rank has to decide
  uint64_t* order;            // [2 length]
  float* row;                 // [length]
  uint32_t* coins;            // [length]
  uint32_t *counts, *starts;  // [kTables][bins], [bins + 1]
  uint16_t* digits;           // [length]
  int bins, shift;            // digits, and the bits of abs(x) behind them

  Ballot(const Choice& choice, int64_t length)
      : length(length),
        limits(choice.limits),
        kept(choice.room),
        open(kept + bit_words(length)),
        order(open + bit_words(length)),
        row(reinterpret_cast<float*>(order + 2 * length)),
        coins(reinterpret_cast<uint32_t*>(row + length + kChoiceRest)),
        counts(coins + length + kChoiceRest),
        starts(counts + kTables * kMostBins),
        digits(reinterpret_cast<uint16_t*>(starts + kMostBins + 1)),
        bins(length < kLong ? 256 : kMostBins),
        shift(length < kLong ? 18 : 16) {}

  TAUJP_INLINE void keep(int64_t j, bool stays) const {
    kept[j / 64] |= static_cast<uint64_t>(stays) << (j % 64);
  }
};

// A whole row of tau_i, as long as it is.
template <class Steps>
static void read_whole_row(const Run& run, int i, int64_t begin, float* out, Floats& poison) {
  const float* base = row_of(run, run.checkpoints);
  for (int64_t first = begin; first < begin + run.row; first += kRow, out += kRow) {
    const int64_t left = begin + run.row - first, count = left < kRow ? left : kRow;
    if (run.subtract_base) {
      read_base(run, first, count, poison);
      poison = poison + read_source<Steps, true>(run.sources[i], first, count, base, out);
    } else {
      poison = poison + read_source<Steps, false>(run.sources[i], first, count, nullptr, out);
    }
  }
}

// The coins of elements from `index` on.
static void toss_row(uint32_t* coins, int64_t count, uint64_t whole, int64_t index) {
  for (int64_t j = 0; j < count;) {
    const uint64_t now = static_cast<uint64_t>(index + j), block = now >> 32;
    const uint64_t left = ((block + 1) << 32) - now, key = key_of_block(whole, block);
    const int64_t end =
        left < static_cast<uint64_t>(count - j) ? j + static_cast<int64_t>(left) : count;
    for (; j < end; j += kLanes)
      put_words(coins, j, coin(lane_numbers() + Words(static_cast<uint32_t>(index + j)), key));
    j = end;  // the next block writes over what was tossed behind the end of this one
  }
}

static uint32_t largest_bits(const Ballot& ballot) {
  Words largest(0u);
  for (int64_t j = 0; j < ballot.length; j += kLanes) {
    const Words bits = magnitude_bits(at(ballot.row, j));
    largest = select(largest < bits, bits, largest);
  }
  uint32_t found = 0;
  for (int lane = 0; lane < kLanes; ++lane)
    found = largest.bits[lane] > found ? largest.bits[lane] : found;
  return found;
}

// The leading bits of abs(x), less what makes the largest the last digit; the smallest share one.
static void write_digits(const Ballot& ballot) {
  const uint32_t top = largest_bits(ballot) >> ballot.shift, last = ballot.bins - 1;
  const uint32_t lowest = top > last ? (top - last) << ballot.shift : 0;
  for (int64_t j = 0; j < ballot.length; j += kLanes) {
    const Words bits = magnitude_bits(at(ballot.row, j));
    const Words above = (bits - Words(lowest)) >> ballot.shift;
    const HalfBits digits = narrow(select(bits < Words(lowest), Words(0u), above));
    memcpy(ballot.digits + j, &digits, sizeof digits);
  }
}

// starts[d]: how many elements have a digit below d, the lowest rank of one that has d.
static void count_starts(const Ballot& ballot) {
  const int bins = ballot.bins;
  uint32_t *counts = ballot.counts, before = 0;
  memset(counts, 0, kTables * bins * sizeof *counts);
  int64_t j = 0;
  for (; j + kTables <= ballot.length; j += kTables)
    for (int table = 0; table < kTables; ++table) ++counts[table * bins + ballot.digits[j + table]];
  for (; j < ballot.length; ++j) ++counts[ballot.digits[j]];
  for (int bin = 0; bin < bins; bin += kLanes) {
    Words sum(0u);
    for (int table = 0; table < kTables; ++table) sum = sum + words_at(counts + table * bins, bin);
    put_words(counts, bin, sum);
  }
  for (int bin = 0; bin < bins; before += counts[bin++]) ballot.starts[bin] = before;
  ballot.starts[bins] = before;
}

// Elements of [begin, end), in whole registers, that are smaller than `size`, or no larger.
template <bool or_equal>
TAUJP_INLINE int64_t count_smaller(const float* row, int64_t begin, int64_t end, Words size) {
  const Words one(1u);
  Words count(0u);
  for (int64_t k = begin; k < end; k += kLanes) {
    const Words bits = magnitude_bits(at(row, k));
    count = select(or_equal ? ~(bits > size) : bits < size, count + one, count);
  }
  int64_t sum = 0;
  for (int lane = 0; lane < kLanes; ++lane) sum += count.bits[lane];
  return sum;
}

// The rank of an element that is not zero.
static int64_t rank_of(const Ballot& ballot, int64_t j) {
  const uint32_t mine = magnitude_bits(Floats(ballot.row[j])).bits[0];
  const int64_t here = j / kLanes * kLanes, end = (ballot.length + kLanes - 1) / kLanes * kLanes;
  int64_t rank = count_smaller<true>(ballot.row, 0, here, Words(mine)) +
                 count_smaller<false>(ballot.row, here, end, Words(mine));
  for (int64_t k = here; k < j; ++k) rank += magnitude_bits(Floats(ballot.row[k])).bits[0] == mine;
  return rank - (end - ballot.length);  // the zeros behind the row
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
