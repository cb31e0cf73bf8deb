// From what was asked (Recipe) and of what (Parameter) to the plain numbers a level works on (Run).
#pragma once
#include "core/recipe.h"
#include "core/run.h"
#include "core/survivors.h"

namespace taujp {

// The recipe's work on elements [begin, end) of a parameter; `scratch` as Run asks.
inline Run make_run(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                    const Sieve* sieves, float* scratch) {
  Run run{};
  run.fold = recipe.fold;
  run.sparsifier = sieves == nullptr ? Sparsifier::none : recipe.sparsifier;
  run.measure = measure_of(recipe.sparsifier);
  run.rounding = recipe.rounding;
  run.normalize = recipe.normalize;
  run.subtract_base = parameter.base.data != nullptr && !recipe.deltas;
  run.past_cache = recipe.past_cache;
  run.checkpoints = recipe.checkpoints;
  run.results = recipe.results;
  run.begin = begin;
  run.end = end;
  run.first = parameter.first;
  run.row = parameter.row;
  run.base = parameter.base;
  run.sources = parameter.sources;
  run.targets = parameter.targets;
  run.coefs = parameter.coefs;
  run.lambda = recipe.lambda.data();
  run.sieves = sieves;
  run.factors = parameter.factors;
  run.rows = parameter.rows;
  for (size_t d = 0; d < recipe.dials.size() && d < kDials; ++d)
    run.dials[d] = static_cast<float>(recipe.dials[d]);
  run.scratch = scratch;
  return run;
}

// The same of what survives, whose bits() are given as well.
inline Run make_run(const Recipe& recipe, const Parameter& parameter, int64_t begin, int64_t end,
                    const Survivors& survivors, const std::vector<const uint64_t*>& bits,
                    float* scratch) {
  const auto& sieves = survivors.sieves;
  Run run =
      make_run(recipe, parameter, begin, end, sieves.empty() ? nullptr : sieves.data(), scratch);
  run.kept = bits.empty() ? nullptr : bits.data();
  run.kept_first = parameter.first;
  return run;
}

}  // namespace taujp
