// What the sparsifiers rank, a row at a time, and what they leave of the rows.
// Included by core/level.h inside a level.
#pragma once
#include "core/kept_window.h"
#include "merge/variance.h"

namespace taujp {
namespace TAUJP_LEVEL {

template <class Stays = AllStays>
static void read_tau_as_asked(const Run& run, int i, int64_t first, int64_t count,
                              Stays stays = {}) {
  Floats poison(0.0f);
  switch (run.rounding) {
    case Rounding::f16: return read_tau<Stepwise<Dtype::f16>>(run, i, first, count, poison, stays);
    case Rounding::bf16:
      return read_tau<Stepwise<Dtype::bf16>>(run, i, first, count, poison, stays);
    default: return read_tau<Exact>(run, i, first, count, poison, stays);
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

template <class Steps>
TAUJP_INLINE KnownStays<Steps> known_stays(const Run& run, int i, int64_t first) {
  return {run.kept[i], run.kept_first + first, Floats(run.sieves[i].scale)};
}

// Leaves of row i of tau what its sieve keeps.
template <class Steps>
static void sparsify_row(const Run& run, int i, int64_t first, int64_t count) {
  float* row = row_of(run, i);
  const int64_t start = run.first + first;
  if (run.kept != nullptr) return keep_known(row, count, known_stays<Steps>(run, i, first));
  switch (run.sparsifier) {
    case Sparsifier::none: return;
    case Sparsifier::random: return toss<Steps>(row, count, run.sieves[i], start);
    case Sparsifier::importance:
      return keep_window<Steps>(row, measured_importance(run, i, start, count), count,
                                run.sieves[i], start);
    default: return keep_window<Steps>(row, row, count, run.sieves[i], start);
  }
}

// Row i of what stays of tau: where that is known, while it is read.
template <class Steps>
static void read_survivors(const Run& run, int i, int64_t first, int64_t count, Floats& poison) {
  if (run.kept != nullptr)
    return read_tau<Steps>(run, i, first, count, poison, known_stays<Steps>(run, i, first));
  read_tau<Steps>(run, i, first, count, poison);
  if (run.sieves != nullptr) sparsify_row<Steps>(run, i, first, count);
}

// The same as the statistics see it.
static void read_survivors_as_asked(const Run& run, int i, int64_t first, int64_t count) {
  if (run.kept != nullptr)
    return read_tau_as_asked(run, i, first, count, known_stays<Exact>(run, i, first));
  read_tau_as_asked(run, i, first, count);
  if (run.sieves != nullptr) sparsify_row<Exact>(run, i, first, count);
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
