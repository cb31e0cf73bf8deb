// Which elements of rows stay by coins whose odds rise with their rank (merge/odds.h), without
// putting the rows in order: a histogram of the row tells between which ranks each element lies,
// and a coin below the lower one's limit keeps, one above the higher one's drops. The few that this
// leaves open are ranked by counting; where they are not few, the row is put in order after all.
// Zeros go: nobody sees whether they stay.
// Included by core/level.h inside a level.
#pragma once
#include "core/ballot.h"
#include "core/order.h"
#include "core/sums.h"

namespace taujp {
namespace TAUJP_LEVEL {

constexpr int64_t kShort = 64;               // rows in which counting is all it takes
constexpr int64_t kMostRanked = 4 * kLanes;  // elements of a row; more cost as much as a sort

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
