// What one SIMD level is handed: plain numbers and pointers, no containers, so that nothing of
// the standard library is compiled for one level and linked into another.
#pragma once
#include <cstdint>

#include "core/portable.h"
#include "core/policy.h"
#include "core/sieve.h"
#include "core/tensor.h"

namespace taujp {

constexpr int kDials = 3;  // numbers that a fold may have

struct Run {
  Fold fold;
  Sparsifier sparsifier;
  Measure measure;
  Rounding rounding;
  bool normalize;
  bool subtract_base;  // tau_i = source_i - base; else tau_i = source_i
  bool past_cache;     // results are large and not read again soon
  int checkpoints;     // N
  int results;         // K
  int64_t begin, end;  // the elements of the sources and targets to work on
  int64_t first;       // the index of their element 0 in the whole tensor
  int64_t row;         // elements to a row of it, where rows matter
  Source base;
  const Source* sources;  // [N]
  const Target* targets;  // [K]
  const float* coefs;     // [K, N]
  const float* lambda;    // [K]
  const Sieve* sieves;    // [N], or null where nothing is sparsified
  const uint64_t* const*
      kept;              // [N] bits of what stays (null: all does), once that is known, or null
  int64_t kept_first;    // the bit of element 0
  const float* factors;  // [N, rows]: importance
  int64_t rows;
  float dials[kDials];  // the fold's numbers
  float* scratch;       // scratch_floats(N), aligned to 64 bytes
};

// Elements folded at a time: N rows of this many floats stay in the first-level cache.
constexpr int64_t kRow = 512;

// Results folded at a time, where the fold has little state.
constexpr int kResultRows = 5;

// Rows of the checkpoints and the base, then of results.
TAUJP_INLINE int64_t scratch_floats(int checkpoints) {
  return (checkpoints + 1 + kResultRows) * kRow;
}

// Ranks looked for at once: two edges of a window, three quartiles.
constexpr int kRanks = 3;

// Where the counting of ranks stands for one measure: see core/rank.h.
struct RankQuery {
  uint32_t prefix[kRanks];  // the digits found so far, of the ranks looked for
  int round;                // 0, 1, 2
};
// The bits, both included, between which a threshold is looked for: see core/bracket.h.
struct Bracket {
  uint32_t low, high;
};
constexpr int64_t kGathered =
    16;                        // the largest register: what is gathered is written in whole ones
constexpr int kDigits = 2048;  // 11 + 10 + 10 bits

// Where `note` notes variances: see core/varied.h.
struct Notes {
  uint64_t *above, *within;  // bits over zeros, from the run's first element on
  uint32_t* values;          // of those within, in order: room for the run and kGathered more
};
struct NoteCounts {
  int64_t above, within, nonzero;
};

// By what, and where to, `thin` thins rows of a task vector: see core/thinned.h.
struct Thinning {
  const uint32_t* limits;  // [row] by rank; null: everything stays
  const float* scales;     // [row] by rank
  uint64_t key;            // of the coins
  uint64_t* room;          // 3 * row words
  float* out;              // the run's elements, and kThinRest more
};
constexpr int64_t kThinRest = 64;

// By what `choose` chooses what stays of rows of a task vector, and where to: see core/chosen.h.
struct Choice {
  const uint32_t* limits;  // [row] by rank, none below the one before
  uint64_t key;            // of the coins
  uint64_t* room;          // choice_words(row)
  uint64_t* kept;          // bits of what stays, over zeros
  int64_t kept_first;      // the bit of the run's element 0
  double* sums;            // [rows][2][N]: sum abs(tau_i) is added, and that of what stays; or null
};
constexpr int64_t kChoiceRest = 64;
constexpr int kMostBins = 1024;
TAUJP_INLINE int64_t choice_words(int64_t row) { return 4 * row + 2 * kChoiceRest + 3 * kMostBins; }

struct Level {
  const char* name;
  // Merges the run. True when an input held a NaN or an infinity.
  bool (*merge)(const Run&);
  // Adds the digits of measure i to histograms[i][rank][digit], for those that have the prefix.
  // (There is a measure for each checkpoint, but one of variances.)
  void (*count_digits)(const Run&, const RankQuery* queries, int ranks, int64_t* histograms);
  // above[i][rank] += the elements above the bracket. Those in it are written one after another to
  // between[(i * ranks + rank) * room], counts[i][rank] of them; `room` is a multiple of kGathered,
  // no less than the run.
  void (*gather)(const Run&, const Bracket* brackets, int ranks, int64_t room, int64_t* above,
                 uint32_t* between, int64_t* counts);
  // Notes which elements' variances are above a bracket, and which are within it; counts them. The
  // run begins at a multiple of 64 in the whole tensor.
  NoteCounts (*note)(const Run&, const Bracket&, const Notes&);
  // counts[i][rank] += the elements whose measure i has exactly those bits.
  void (*count_equal)(const Run&, const uint32_t* bits, int ranks, int64_t* counts);
  // sums[i] += sum abs(tau_i), sums[N + i] += the same of what its sieve keeps, where there are
  // sieves; in a fixed order.
  void (*sum_magnitudes)(const Run&, double* sums);
  // products[j, k] += <row j, row k> for j < left, j <= k < K; rows [K] = coefs [K, N] times
  // tau; kSumBlock at most. The scratch holds K rows more.
  void (*sum_products)(const Run&, int left, double* products);
  // sums[i] += sum tau_i^2 of what its sieve keeps; kSumBlock elements at most, in a fixed order.
  void (*sum_squares)(const Run&, double* sums);
  // counts[i] += elements with abs(tau_i) > least, counts[N + i] += those that no other has so.
  void (*count_changes)(const Run&, float least, int64_t* counts);
  // factors[r] = merge/divergence.h of the run's row r, between theta0 and theta_i.
  void (*divergences)(const Run&, int i, float* factors);
  // The run's rows of tau_i, thinned, as fp32. True where an input held a NaN or an infinity.
  bool (*thin)(const Run&, int i, const Thinning& thinning);
  // Which elements of the run's rows of tau_i stay.
  void (*choose)(const Run&, int i, const Choice& choice);
};
constexpr int64_t kSumBlock = 4096;

const Level& level_portable();
const Level& level_scalar();
const Level* level_avx2();  // null where this build has none
const Level* level_avx512();

// The best that this processor has, or the one TAUJP_SIMD names (avx512, avx2, portable, scalar).
const Level& level();

}  // namespace taujp
