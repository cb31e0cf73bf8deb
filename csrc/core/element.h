// One element of a merge, as a CUDA thread does it: the same formulas as the SIMD rows of
// core/rows.h, one float at a time. Also compiled for the host, as the level "scalar".
#pragma once
#include "core/scalar.h"  // before the formulas: they call its functions

#include "core/bits.h"
#include "core/random.h"
#include "core/run.h"
#include "core/steps.h"
#include "merge/all.h"

namespace taujp {

template <class Steps>
TAUJP_INLINE float tau_at(const Run& run, int i, int64_t j, float& poison) {
  const float x = load(run.sources[i], j);
  poison = fma(x, 0.0f, poison);
  return run.subtract_base ? Steps::round(x - load(run.base, j)) : x;
}

// tau_i as the statistics see it.
TAUJP_INLINE float tau_as_asked(const Run& run, int i, int64_t j) {
  float poison = 0.0f;
  switch (run.rounding) {
    case Rounding::f16: return tau_at<Stepwise<Dtype::f16>>(run, i, j, poison);
    case Rounding::bf16: return tau_at<Stepwise<Dtype::bf16>>(run, i, j, poison);
    default: return tau_at<Exact>(run, i, j, poison);
  }
}

TAUJP_INLINE bool is_above_at(float tau, int64_t index, const Above& above) {
  const uint32_t bits = magnitude_bits(tau);
  return bits > above.bits || (bits == above.bits && index < above.cut);
}

TAUJP_INLINE float variance_at(const Run& run, int64_t j) {
  return variance_of<float>(run.checkpoints,
                            [&](int i) TAUJP_INLINE_LAMBDA { return tau_as_asked(run, i, j); });
}

// What is ranked of tau_i; `variance` is the element's, where that is it.
TAUJP_INLINE float measured(const Run& run, int i, int64_t j, float tau, float variance) {
  switch (run.measure) {
    case Measure::variance: return variance;
    case Measure::importance:
      return absolute(tau) * run.factors[i * run.rows + (run.first + j) / run.row];
    default: return tau;
  }
}

TAUJP_INLINE float measure_at(const Run& run, int i, int64_t j) {
  if (run.measure == Measure::variance) return variance_at(run, j);
  return measured(run, i, j, tau_as_asked(run, i, j), 0.0f);
}

// The variance that `sparsified` will ask for, if it will.
TAUJP_INLINE float variance_if_asked(const Run& run, int64_t j) {
  return run.sparsifier == Sparsifier::variance ? variance_at(run, j) : 0.0f;
}

TAUJP_INLINE bool is_head(int64_t index, uint64_t key, uint32_t limit) {
  return coin(static_cast<uint32_t>(index), key_of_block(key, static_cast<uint64_t>(index) >> 32)) <
         limit;
}

template <class Steps>
TAUJP_INLINE float sparsified(const Run& run, int i, int64_t j, float tau, float variance) {
  if (run.sieves == nullptr || run.sparsifier == Sparsifier::none) return tau;
  const Sieve& sieve = run.sieves[i];
  const int64_t index = run.first + j;
  bool kept;
  // Bits of variances are the host's shortcut; here, as on CUDA, the sieves decide.
  if (run.kept != nullptr && run.measure != Measure::variance) {
    kept = run.kept[i] == nullptr || (bits_from(run.kept[i], run.kept_first + j) & 1) != 0;
  } else if (run.sparsifier == Sparsifier::random) {
    if (sieve.limit > 0xffffffffull) return tau;
    kept = is_head(index, sieve.key, static_cast<uint32_t>(sieve.limit));
  } else {
    const float size = measured(run, i, j, tau, variance);
    kept = is_above_at(size, index, sieve.keep) && !is_above_at(size, index, sieve.skip);
  }
  return kept ? Steps::round(tau * sieve.scale) : 0.0f;
}

// tau_i as the statistics see it, of what its sieve keeps.
TAUJP_INLINE float survivor_at(const Run& run, int i, int64_t j) {
  return sparsified<Exact>(run, i, j, tau_as_asked(run, i, j), variance_if_asked(run, j));
}

// Element j of a row, thinned by its rank there: merge/odds.h. `index` is its index in the tensor.
template <class Steps>
TAUJP_INLINE float thinned_at(const float* row, int64_t length, int64_t j, int64_t index,
                              const uint32_t* limits, const float* scales, uint64_t key) {
  const int64_t rank =
      rank_in_row(length, j, [&](int64_t k) TAUJP_INLINE_LAMBDA { return row[k]; });
  return is_head(index, key, limits[rank]) ? Steps::round(row[j] * scales[rank]) : 0.0f;
}

template <class Steps, class Formula>
TAUJP_INLINE float finish_at(const Run& run, const Formula& fold, float lambda, int64_t j) {
  float value = fold.total();
  if (run.normalize) value = Steps::round(value / fold.divisor());
  if (run.base.data == nullptr) return Steps::round(value * lambda);
  return Steps::add_product(load(run.base, j), value, lambda);
}

// Results [k, k + block) of element j; the checkpoints are read once for all of them.
template <class Steps, template <class, class> class Formula, int block>
TAUJP_INLINE void merge_results_at(const Run& run, int k, int64_t j, float& poison) {
  Formula<float, Steps> folds[block];
  for (int b = 0; b < block; ++b) folds[b].start(run.dials);
  const float variance = variance_if_asked(run, j);
  const auto each = [&](auto take) TAUJP_INLINE_LAMBDA {
    for (int i = 0; i < run.checkpoints; ++i) {
      const float tau = sparsified<Steps>(run, i, j, tau_at<Steps>(run, i, j, poison), variance);
      for (int b = 0; b < block; ++b)
        take(folds[b], tau,
             Steps::round(run.coefs[static_cast<int64_t>(k + b) * run.checkpoints + i]));
    }
  };
  each([](auto& fold, float tau, float coef) TAUJP_INLINE_LAMBDA { fold.take(tau, coef); });
  if constexpr (Formula<float, Steps>::looks == 2)
    each([](auto& fold, float tau, float coef) TAUJP_INLINE_LAMBDA { fold.take_again(tau, coef); });
  for (int b = 0; b < block; ++b)
    store(run.targets[k + b], j, finish_at<Steps>(run, folds[b], run.lambda[k + b], j));
}

template <class Steps, template <class, class> class Formula>
TAUJP_INLINE float merge_at(const Run& run, int64_t j) {
  float poison = run.base.data == nullptr ? 0.0f : load(run.base, j) * 0.0f;
  int k = 0;
  for (; k + 4 <= run.results; k += 4) merge_results_at<Steps, Formula, 4>(run, k, j, poison);
  for (; k < run.results; ++k) merge_results_at<Steps, Formula, 1>(run, k, j, poison);
  return poison;
}

// Calls work.run<Steps, Formula>() for the policy and the fold that the run asks for.
template <template <class, class> class Formula, class Work>
inline void with_rounding(Rounding rounding, Work& work) {
  switch (rounding) {
    case Rounding::exact: work.template run<Exact, Formula>(); break;
    case Rounding::f32: work.template run<Stepwise<Dtype::f32>, Formula>(); break;
    case Rounding::f16: work.template run<Stepwise<Dtype::f16>, Formula>(); break;
    case Rounding::bf16: work.template run<Stepwise<Dtype::bf16>, Formula>(); break;
  }
}

template <class Work>
inline void with_formula(Fold fold, Rounding rounding, Work& work) {
  switch (fold) {
#define TAUJP_FOLD_CASE(name, Formula) \
  case Fold::name: with_rounding<Formula>(rounding, work); break;
    TAUJP_FOLDS(TAUJP_FOLD_CASE)
#undef TAUJP_FOLD_CASE
  }
}

}  // namespace taujp
