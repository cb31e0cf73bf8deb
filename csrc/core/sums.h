// Sums whose order is part of the answer, so that every level, thread count and device gets the
// same bits: within a row (for L1 norms, a block of kSumBlock) 16 double accumulators take elements
// j = lane (mod 16) in order and are then added as a tree; what they sum to is added in order.
// Included by core/level.h inside a level.
#pragma once
#include "core/ranks.h"

namespace taujp {
namespace TAUJP_LEVEL {

struct Sum16 {
  double lane[16] = {};

  // sum += value(j) for j < count, a row after other whole rows: lanes keep their elements.
  template <class Value>
  TAUJP_INLINE void add(int64_t count, Value value) {
    int64_t j = 0;
    for (; j + 16 <= count; j += 16)
      for (int i = 0; i < 16; ++i) lane[i] += value(j + i);
    for (int i = 0; j + i < count; ++i) lane[i] += value(j + i);
  }

  TAUJP_INLINE double total() {
    for (int half = 8; half > 0; half /= 2)
      for (int i = 0; i < half; ++i) lane[i] += lane[i + half];
    return lane[0];
  }
};

TAUJP_INLINE void add_magnitudes(Sum16& sum, const float* row, int64_t count) {
  sum.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA { return __builtin_fabsf(row[j]); });
}

constexpr int kSummed = 8;  // checkpoints summed side by side: the base is read once for them

// Those of sum_magnitudes from checkpoint `from` to `end`.
static void sum_some_magnitudes(const Run& run, int from, int end, double* sums) {
  Sum16 before[kSummed], after[kSummed];
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    read_base(run, first, count, poison);
    for (int i = from; i < end; ++i) {
      read_tau_as_asked(run, i, first, count);
      add_magnitudes(before[i - from], row_of(run, i), count);
      if (run.sieves == nullptr) continue;
      sparsify_row<Exact>(run, i, first, count);
      add_magnitudes(after[i - from], row_of(run, i), count);
    }
  }
  for (int i = from; i < end; ++i) {
    sums[i] += before[i - from].total();
    sums[run.checkpoints + i] += after[i - from].total();
  }
}

static void sum_magnitudes(const Run& run, double* sums) {
  for (int from = 0; from < run.checkpoints; from += kSummed) {
    const int rest = run.checkpoints - from;
    sum_some_magnitudes(run, from, from + (rest < kSummed ? rest : kSummed), sums);
  }
}

// Row k = sum_i coefs[k, i] tau_i: a lazy task vector, for the length of a row.
static void combine(const Run& run, int k, int64_t count, float* row) {
  const float* coefs = run.coefs + static_cast<int64_t>(k) * run.checkpoints;
  for (int64_t j = 0; j < count; j += kLanes) {
    Floats sum(0.0f);
    for (int i = 0; i < run.checkpoints; ++i)
      sum = fma(at(row_of(run, i), j), Floats(coefs[i]), sum);
    put(row, j, sum);
  }
}

static double dot_row(const float* x, const float* y, int64_t count) {
  Sum16 sum;
  sum.add(count, [&](int64_t j) TAUJP_INLINE_LAMBDA { return static_cast<double>(x[j]) * y[j]; });
  return sum.total();
}

static void sum_products(const Run& run, int left, double* products) {
  float* combined = run.scratch + scratch_floats(run.checkpoints);
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    read_base(run, first, count, poison);
    for (int i = 0; i < run.checkpoints; ++i) read_tau_as_asked(run, i, first, count);
    for (int k = 0; k < run.results; ++k) combine(run, k, count, combined + k * kRow);
    for (int a = 0; a < left; ++a)
      for (int b = a; b < run.results; ++b)
        products[a * run.results + b] += dot_row(combined + a * kRow, combined + b * kRow, count);
  }
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
