// What a merge is asked to compute (Recipe), and one parameter it is asked of (Parameter).
//
// Every method of the task-vector family is the same line with parts left out:
//   tau_i = theta_i - theta0 -> sparsify -> times w_i -> elect a sign -> sum -> divide -> times
//   lambda
//   -> plus theta0 -> round.
#pragma once
#include <cstdint>
#include <vector>

#include "core/policy.h"
#include "core/sieve.h"
#include "core/tensor.h"

namespace taujp {

struct Recipe {
  Fold fold = Fold::linear;
  Sparsifier sparsifier = Sparsifier::none;
  Rescale rescale = Rescale::none;
  Rounding rounding = Rounding::exact;
  Weighting weighting = Weighting::given;
  bool normalize = false;       // divide by the weights that took part
  bool deltas = false;          // sources are task vectors already: tau_i = source_i
  int checkpoints = 0;          // N
  int results = 0;              // K
  std::vector<double> density;  // [N] share kept
  std::vector<double> skip;     // [N] share of the largest left out first (breadcrumbs' gamma)
  std::vector<double> spread;   // [N] rank: odds lie within density +- spread
  std::vector<double> dials;    // numbers of the fold: see its formula
  bool keep_one = false;        // magnitude: never fewer than one element (TIES)
  std::vector<float> lambda;    // [K]
  bool over_model = false;      // ranks count over all parameters of a checkpoint together ...
  std::vector<Sieve> windows;   // [N] ... and once they are found, here is what they keep
  bool past_cache = false;      // results are large and not read again soon
};

// How many measures are ranked: one a checkpoint, but one of the variances.
inline int measures_of(const Recipe& recipe) {
  return measure_of(recipe.sparsifier) == Measure::variance ? 1 : recipe.checkpoints;
}

// One parameter of the model, or a run of its elements.
struct Parameter {
  int64_t size = 0;                 // elements here
  int64_t first = 0;                // the index of the first of them in the whole tensor
  int64_t before = 0;               // elements of the parameters ranked before this one
  int64_t row = 0;                  // elements to a row, for sparsifiers that look at rows
  Source base;                      // no data: tau_i = theta_i
  const Source* sources = nullptr;  // [N]
  const Target* targets = nullptr;  // [K]
  const float* coefs = nullptr;     // [K, N] row-major
  const uint64_t* keys = nullptr;   // [N] for the coins: a hash of (seed, i, parameter name)
  const float* factors = nullptr;   // [N, rows], once they are known: importance
  int64_t rows = 0;                 // of the whole tensor, in the factors
};

}  // namespace taujp
