// What the sparsifiers rank, a row at a time, and what they leave of the rows.
// Included by core/level.h inside a level.
#pragma once
#include "core/kept_window.h"
#include "merge/variance.h"

namespace taujp {
namespace TAUJP_LEVEL {

static void read_tau_as_asked(const Run& run, int i, int64_t first, int64_t count) {
  Floats poison(0.0f);
  switch (run.rounding) {
    case Rounding::f16: return read_tau<Stepwise<Dtype::f16>>(run, i, first, count, poison);
    case Rounding::bf16: return read_tau<Stepwise<Dtype::bf16>>(run, i, first, count, poison);
    default: return read_tau<Exact>(run, i, first, count, poison);
  }
}

// Where a measure that is no tau is worked out: behind the base.
TAUJP_INLINE float* measure_row(const Run& run) { return row_of(run, run.checkpoints + 1); }

// From all rows of tau.
static const float* measured_variance(const Run& run, int64_t count) {
  float* row = measure_row(run);
  for (int64_t j = 0; j < count; j += kLanes)
    put(row, j, variance_of<Floats>(run.checkpoints, [&](int i) TAUJP_INLINE_LAMBDA {
          return at(row_of(run, i), j);
        }));
  return row;
}

// From row i of tau, which begins at `start` in the whole tensor.
static const float* measured_importance(const Run& run, int i, int64_t start, int64_t count) {
  float* row = measure_row(run);
  const float *tau = row_of(run, i), *factors = run.factors + i * run.rows;
  for (int64_t j = 0; j < count;) {
    const int64_t line = (start + j) / run.row;
    const int64_t end = (line + 1) * run.row - start < count ? (line + 1) * run.row - start : count;
    const float factor = factors[line];
    for (; j < end; ++j) row[j] = __builtin_fabsf(tau[j]) * factor;
  }
  return row;
}

// Calls visit(i, measure, elements) for every row of the run, with a measure for each i, or, of
// variances, one for i = 0.
template <class Visit>
TAUJP_INLINE void each_measure(const Run& run, Visit visit) {
  Floats poison(0.0f);
  for (int64_t first = run.begin; first < run.end; first += kRow) {
    const int64_t count = row_count(run, first);
    read_base(run, first, count, poison);
    for (int i = 0; i < run.checkpoints; ++i) {
      read_tau_as_asked(run, i, first, count);
      if (run.measure == Measure::magnitude) visit(i, row_of(run, i), count);
      if (run.measure == Measure::importance)
        visit(i, measured_importance(run, i, run.first + first, count), count);
    }
    if (run.measure == Measure::variance) visit(0, measured_variance(run, count), count);
  }
}

// Leaves of row i of tau what its sieve keeps; that of variances is one for all rows.
template <class Steps>
static void sparsify_row(const Run& run, int i, int64_t first, int64_t count) {
  float* row = row_of(run, i);
  const int64_t start = run.first + first;
  if (run.kept != nullptr)
    return keep_known<Steps>(row, count, run.kept[i], run.kept_first + first, run.sieves[i].scale);
  switch (run.sparsifier) {
    case Sparsifier::none: return;
    case Sparsifier::random: return toss<Steps>(row, count, run.sieves[i], start);
    case Sparsifier::importance:
      return keep_window<Steps>(row, measured_importance(run, i, start, count), count,
                                run.sieves[i], start);
    default: return keep_window<Steps>(row, row, count, run.sieves[i], start);
  }
}

// Leaves of all rows of tau the elements whose variance the sieves keep.
template <class Steps>
static void keep_varied(const Run& run, int64_t first, int64_t count) {
  uint64_t kept[kRow / 64 + 1] = {};
  note_window(measured_variance(run, count), count, run.sieves[0], run.first + first, kept);
  for (int i = 0; i < run.checkpoints; ++i)
    keep_known<Steps>(row_of(run, i), count, kept, 0, run.sieves[i].scale);
}

// Leaves of all rows, once they are read, what their sieves keep.
template <class Steps>
static void sparsify_rows(const Run& run, int64_t first, int64_t count) {
  if (run.sieves == nullptr) return;
  if (run.sparsifier == Sparsifier::variance) return keep_varied<Steps>(run, first, count);
  for (int i = 0; i < run.checkpoints; ++i) sparsify_row<Steps>(run, i, first, count);
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
