// Which of `count` elements stay whose indices begin at `first`: index arithmetic beyond what fits
// into memory (a tensor of more than 2^31, or 2^32, elements), for tests.
#pragma once
#include <cstdint>
#include <vector>

#include "core/merge.h"

namespace taujp::stream {

// All elements are 1; those that stay come back as 1.
inline std::vector<float> run_of_ones(Recipe recipe, int64_t first, int64_t count, uint64_t key) {
  recipe.checkpoints = recipe.results = 1;
  recipe.lambda = {1.0f};
  const std::vector<float> ones(count, 1.0f);
  std::vector<float> kept(count);
  const Source source{ones.data(), Dtype::f32};
  const Target target{kept.data(), Dtype::f32};
  const float coef = 1.0f;
  Parameter run;
  run.size = count;
  run.first = first;
  run.sources = &source;
  run.targets = &target;
  run.coefs = &coef;
  run.keys = &key;
  merge_run(recipe, run);
  return kept;
}

inline std::vector<float> heads_from(uint64_t key, double density, int64_t first, int64_t count) {
  Recipe recipe;
  recipe.sparsifier = Sparsifier::random;
  recipe.density = {density};
  return run_of_ones(recipe, first, count, key);
}

// Of equal magnitudes the ones before index `cut` stay.
inline std::vector<float> before_cut(int64_t cut, int64_t first, int64_t count) {
  Recipe recipe;
  recipe.sparsifier = Sparsifier::magnitude;
  recipe.density = {0.5};
  recipe.over_model = true;
  Sieve sieve;
  sieve.keep = {0x3f800000u, cut};  // the bits of 1
  recipe.windows = {sieve};
  return run_of_ones(recipe, first, count, 0);
}

}  // namespace taujp::stream
