// The fold on the CPU: registers of task vectors in, rows of results out. Formulas live in merge/.
// Included by core/level.h inside a level.
#pragma once
#include "core/rows.h"
#include "merge/all.h"

namespace taujp {
namespace TAUJP_LEVEL {

// Where tau and the base of register j of a row come from: the rows in the scratch ...
struct FromRows {
  const Run& run;

  TAUJP_INLINE Floats base(int64_t j) { return at(row_of(run, run.checkpoints), j); }
  TAUJP_INLINE Floats tau(int i, int64_t j, Floats) { return at(row_of(run, i), j); }
  TAUJP_INLINE FromRows again() const { return *this; }
};

// ... or the sources themselves, where all have one format and nothing is sparsified: all of them
// are then read side by side, which memory likes better than one after another.
// The first time over a row they are watched for NaN and Inf.
template <Dtype format, bool has_base, bool watch = true>
struct FromSources {
  const Run& run;
  int64_t first;
  Floats poison;

  TAUJP_INLINE Floats watched(const void* data, int64_t j) {
    const Floats x = load<format>(data, first + j);
    if (watch) poison = fma(x, Floats(0.0f), poison);
    return x;
  }
  TAUJP_INLINE Floats base(int64_t j) {
    return has_base ? watched(run.base.data, j) : Floats(0.0f);
  }
  TAUJP_INLINE Floats tau(int i, int64_t j, Floats base) {
    const Floats x = watched(run.sources[i].data, j);
    return has_base && run.subtract_base ? x - base : x;
  }
  TAUJP_INLINE FromSources<format, has_base, false> again() const { return {run, first, poison}; }
};

// theta0 + lambda * (total / divisor), for one register of one result.
template <class Steps, bool normalize, class Formula>
TAUJP_INLINE Floats finish(const Run& run, const Formula& fold, Floats base, Floats lambda) {
  Floats value = fold.total();
  if (normalize) value = Steps::round(value / fold.divisor());
  if (run.base.data == nullptr) return Steps::round(value * lambda);
  return Steps::add_product(base, value, lambda);
}

// Some results times some registers at once: like a small matrix product, every tau that is loaded
// serves all the results, every coefficient all the registers.
template <class Steps, template <class, class> class Formula, bool normalize, int results,
          int registers, class Taus>
TAUJP_INLINE void fold_block(const Run& run, Taus& taus, int k, int64_t j, float* out) {
  Formula<Floats, Steps> folds[results][registers];
  Floats bases[registers];
  for (int r = 0; r < registers; ++r) {
    bases[r] = taus.base(j + r * kLanes);
    for (int b = 0; b < results; ++b) folds[b][r].start(run.dials);
  }
  const float* coefs = run.coefs + static_cast<int64_t>(k) * run.checkpoints;
  const auto each = [&](auto take) TAUJP_INLINE_LAMBDA {
    for (int i = 0; i < run.checkpoints; ++i) {
      Floats tau[registers];
      for (int r = 0; r < registers; ++r) tau[r] = taus.tau(i, j + r * kLanes, bases[r]);
      for (int b = 0; b < results; ++b) {
        const Floats coef = Steps::round(Floats(coefs[b * run.checkpoints + i]));
        for (int r = 0; r < registers; ++r) take(folds[b][r], tau[r], coef);
      }
    }
  };
  each([](auto& fold, Floats tau, Floats coef) TAUJP_INLINE_LAMBDA { fold.take(tau, coef); });
  if constexpr (Formula<Floats, Steps>::looks == 2)
    each([](auto& fold, Floats tau, Floats coef)
             TAUJP_INLINE_LAMBDA { fold.take_again(tau, coef); });
  for (int b = 0; b < results; ++b)
    for (int r = 0; r < registers; ++r)
      put(out + b * kRow, j + r * kLanes,
          finish<Steps, normalize>(run, folds[b][r], bases[r], Floats(run.lambda[k + b])));
}

// Results [k, k + results) of a row, as fp32 rows in `out`. The registers behind the last element
// exist in the scratch; sources are only read in whole blocks.
template <class Steps, template <class, class> class Formula, bool normalize, int results,
          int registers, class Taus>
static void fold_row(const Run& run, Taus& taus, int k, int64_t count, float* out) {
  int64_t j = 0;
  for (; j + registers * kLanes <= count; j += registers * kLanes)
    fold_block<Steps, Formula, normalize, results, registers>(run, taus, k, j, out);
  for (; j < count; j += kLanes)
    fold_block<Steps, Formula, normalize, results, 1>(run, taus, k, j, out);
}

template <Dtype format>
TAUJP_INLINE void store_rest(void* data, int64_t index, int64_t rest, Floats x) {
  alignas(64) char buffer[4 * kLanes];
  store<format>(buffer, 0, x);
  memcpy(static_cast<char*>(data) + index * bytes_of(format), buffer, rest * bytes_of(format));
}

// Rounds a row to the target's format and writes it.
template <Dtype format, bool past_cache>
static void write_row(const float* row, void* out, int64_t first, int64_t count) {
  int64_t j = 0;
  for (; j + kLanes <= count; j += kLanes)
    if (past_cache)
      store_past_cache<format>(out, first + j, at(row, j));
    else
      store<format>(out, first + j, at(row, j));
  if (j < count) store_rest<format>(out, first + j, count - j, at(row, j));
}

template <Dtype format>
static void write_rows(const Run& run, int k, int results, int64_t first, int64_t count,
                       const float* rows) {
  for (int b = 0; b < results; ++b) {
    void* out = run.targets[k + b].data;
    const uint64_t address = reinterpret_cast<uint64_t>(out) + first * bytes_of(format);
    if (run.past_cache && address % (bytes_of(format) * kLanes) == 0)
      write_row<format, true>(rows + b * kRow, out, first, count);
    else
      write_row<format, false>(rows + b * kRow, out, first, count);
  }
}

static void write_results(const Run& run, int k, int results, int64_t first, int64_t count,
                          const float* rows) {
  switch (run.targets[k].dtype) {
    case Dtype::f32: return write_rows<Dtype::f32>(run, k, results, first, count, rows);
    case Dtype::f16: return write_rows<Dtype::f16>(run, k, results, first, count, rows);
    default: return write_rows<Dtype::bf16>(run, k, results, first, count, rows);
  }
}

// All K results of a row. Folds with little state take four results at once.
template <class Steps, template <class, class> class Formula, bool normalize, class Taus>
static void fold_results(const Run& run, Taus& taus, int64_t first, int64_t count) {
  constexpr bool little = sizeof(Formula<Floats, Steps>) <= 2 * sizeof(Floats);
  float* out = row_of(run, run.checkpoints + 1);
  fold_row<Steps, Formula, normalize, 1, little ? 4 : 2>(run, taus, 0, count, out);
  write_results(run, 0, 1, first, count, out);
  auto again = taus.again();
  int k = 1;
  for (; little && k + kResultRows <= run.results; k += kResultRows) {
    fold_row<Steps, Formula, normalize, kResultRows, kLanes / 4>(run, again, k, count, out);
    write_results(run, k, kResultRows, first, count, out);
  }
  for (; k < run.results; ++k) {
    fold_row<Steps, Formula, normalize, 1, little ? 4 : 2>(run, again, k, count, out);
    write_results(run, k, 1, first, count, out);
  }
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
