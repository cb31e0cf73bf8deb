// Which elements of rows stay by coins whose odds rise with their rank (merge/odds.h), without
// putting the rows in order: a histogram of the row tells between which ranks each element lies,
// and a coin below the lower one's limit keeps, one above the higher one's drops. The few that this
// leaves open are ranked by counting; where they are not few, the row is put in order after all.
// Zeros go: nobody sees whether they stay.
// Included by core/level.h inside a level.
#pragma once
#include "core/bits.h"
#include "core/measured.h"
#include "core/order.h"
#include "core/sums.h"

namespace taujp {
namespace TAUJP_LEVEL {

constexpr int64_t kShort = 64;               // rows in which counting is all it takes
constexpr int64_t kLong = 4096;              // rows worth more bins
constexpr int kTables = 4;                   // of counts: equal digits in a row would wait
constexpr int64_t kMostRanked = 4 * kLanes;  // elements of a row; more cost as much as a sort

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
  uint32_t* left;             // [length]: the numbers of those still open
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
        left(reinterpret_cast<uint32_t*>(order)),
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

// Keeps the elements from j on whose coins are below `low`; those below `high` stay open.
TAUJP_INLINE void judge(const Ballot& ballot, int64_t j, Words low, Words high) {
  const Words coin = words_at(ballot.coins, j);
  const uint32_t counted = lane_set(at(ballot.row, j) != Floats(0.0f));
  const uint32_t kept = lane_set(coin < low) & counted;
  const uint32_t open = lane_set(coin < high) & counted & ~kept;
  ballot.kept[j / 64] |= static_cast<uint64_t>(kept) << (j % 64);
  ballot.open[j / 64] |= static_cast<uint64_t>(open) << (j % 64);
}

// Chooses where the coin alone decides.
static void choose_by_coins(const Ballot& ballot) {
  const Words low(ballot.limits[0]), high(ballot.limits[ballot.length - 1]);
  for (int64_t j = 0; j < ballot.length; j += kLanes) judge(ballot, j, low, high);
}

// Chooses where it is enough to know in which of kTable groups of bins an element is.
static void choose_by_groups(const Ballot& ballot) {
  const int shift = __builtin_ctz(ballot.bins / kTable), group = 1 << shift;
  const int64_t last = ballot.length - 1;
  alignas(64) uint32_t lows[kTable], highs[kTable];
  for (int g = 0; g < kTable; ++g) {
    const int64_t first = ballot.starts[g * group], end = ballot.starts[(g + 1) * group];
    lows[g] = ballot.limits[first < last ? first : last];  // of an empty group nothing is asked
    highs[g] = ballot.limits[end > 0 ? end - 1 : 0];
  }
  for (int64_t j = 0; j < ballot.length; j += kLanes) {
    HalfBits digits;
    memcpy(&digits, ballot.digits + j, sizeof digits);
    const Words groups = widen(digits) >> shift;
    judge(ballot, j, look_up(lows, groups), look_up(highs, groups));
  }
}

// Chooses where the bin decides.
static void choose_by_bins(const Ballot& ballot) {
  for (int64_t word = 0; word < bit_words(ballot.length); ++word) {
    uint64_t stays = 0, decided = 0;
    for (uint64_t open = ballot.open[word]; open != 0; open &= open - 1) {
      const int bit = __builtin_ctzll(open);
      const int64_t j = word * 64 + bit;
      const uint32_t *start = ballot.starts + ballot.digits[j], coin = ballot.coins[j];
      const uint64_t kept = coin < ballot.limits[start[0]];
      stays |= kept << bit;
      decided |= (kept | (coin >= ballot.limits[start[1] - 1])) << bit;
    }
    ballot.kept[word] |= stays;
    ballot.open[word] &= ~decided;
  }
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

static void choose_by_order(const Ballot& ballot) {
  const uint64_t* order = in_order(ballot.row, ballot.length, ballot.order);
  for (int64_t rank = 0; rank < ballot.length; ++rank) {
    const uint32_t j = static_cast<uint32_t>(order[rank]);
    const bool open = ballot.open[j / 64] >> (j % 64) & 1;
    ballot.keep(j, open & (ballot.coins[j] < ballot.limits[rank]));
  }
}

// Chooses what is still open.
static void choose_by_rank(const Ballot& ballot) {
  int64_t unsure = 0;
  for (int64_t word = 0; word < bit_words(ballot.length); ++word)
    unsure += __builtin_popcountll(ballot.open[word]);
  if (unsure > kMostRanked) return choose_by_order(ballot);
  for (int64_t word = 0; word < bit_words(ballot.length); ++word)
    for (uint64_t open = ballot.open[word]; open != 0; open &= open - 1) {
      const int64_t j = word * 64 + __builtin_ctzll(open);
      ballot.keep(j, ballot.coins[j] < ballot.limits[rank_of(ballot, j)]);
    }
}

// ballot.kept of a row whose first element has that index in the tensor.
static void choose(const Ballot& ballot, uint64_t key, int64_t index) {
  memset(ballot.kept, 0, 2 * bit_words(ballot.length) * sizeof(uint64_t));  // and `open`
  toss_row(ballot.coins, ballot.length, key, index);
  if (ballot.length <= kShort) {
    choose_by_coins(ballot);
  } else {
    write_digits(ballot);
    count_starts(ballot);
    choose_by_groups(ballot);
    choose_by_bins(ballot);
  }
  choose_by_rank(ballot);
}

static void drop_others(const Ballot& ballot) {
  for (int64_t j = 0; j < ballot.length; j += kLanes)
    put(ballot.row, j,
        only(static_cast<uint32_t>(ballot.kept[j / 64] >> (j % 64)), at(ballot.row, j)));
}

// sum abs(tau) of the row, and of what stays of it.
static void sum_row(const Ballot& ballot, double& before, double& after) {
  Sum16 all, rest;
  add_magnitudes(all, ballot.row, ballot.length);
  drop_others(ballot);
  add_magnitudes(rest, ballot.row, ballot.length);
  before += all.total();
  after += rest.total();
}

template <class Steps>
static void choose_rows(const Run& run, int i, const Choice& choice) {
  Floats poison(0.0f);  // seen when the rows are merged
  const Ballot ballot(choice, run.row);
  double* sums = choice.sums;
  for (int64_t begin = run.begin; begin < run.end; begin += run.row) {
    read_whole_row<Steps>(run, i, begin, ballot.row, poison);
    choose(ballot, choice.key, run.first + begin);
    place_bits(ballot.kept, run.row, choice.kept, choice.kept_first + begin);
    if (sums == nullptr) continue;
    sum_row(ballot, sums[i], sums[run.checkpoints + i]);
    sums += 2 * run.checkpoints;
  }
}

static void choose(const Run& run, int i, const Choice& choice) {
  switch (run.rounding) {
    case Rounding::f16: return choose_rows<Stepwise<Dtype::f16>>(run, i, choice);
    case Rounding::bf16: return choose_rows<Stepwise<Dtype::bf16>>(run, i, choice);
    default: return choose_rows<Exact>(run, i, choice);
  }
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
