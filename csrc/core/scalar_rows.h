// The level "scalar" where it looks at whole rows: thinned by rank, or chosen from.
// Included by core/level_scalar.cpp.
#pragma once
#include "core/element_statistics.h"

namespace taujp {
namespace {

template <class Term>
double tree_sum(int64_t begin, int64_t end, Term term) {
  double lanes[16];
  for (int lane = 0; lane < 16; ++lane) lanes[lane] = lane_sum(begin, end, lane, term);
  for (int half = 8; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

// A whole row of tau_i, as it is; returns 0, or NaN where it was not finite.
template <class Steps>
float read_row(const Run& run, int i, int64_t begin, float* row) {
  float poison = 0.0f;
  for (int64_t j = 0; j < run.row; ++j) {
    poison += run.subtract_base ? load(run.base, begin + j) * 0.0f : 0.0f;
    row[j] = tau_at<Steps>(run, i, begin + j, poison);
  }
  return poison;
}

template <class Steps>
bool thin_rows(const Run& run, int i, const Thinning& thinning) {
  float poison = 0.0f;
  float* row = reinterpret_cast<float*>(thinning.room);
  for (int64_t begin = run.begin; begin < run.end; begin += run.row) {
    float* out = thinning.out + (begin - run.begin);
    poison += read_row<Steps>(run, i, begin, row);
    for (int64_t j = 0; j < run.row; ++j)
      out[j] = thinning.limits == nullptr
                   ? row[j]
                   : thinned_at<Steps>(row, run.row, j, run.first + begin + j, thinning.limits,
                                       thinning.scales, thinning.key);
  }
  return poison != 0.0f;
}

bool thin(const Run& run, int i, const Thinning& thinning) {
  switch (run.rounding) {
    case Rounding::f16: return thin_rows<Stepwise<Dtype::f16>>(run, i, thinning);
    case Rounding::bf16: return thin_rows<Stepwise<Dtype::bf16>>(run, i, thinning);
    default: return thin_rows<Exact>(run, i, thinning);
  }
}

void choose(const Run& run, int i, const Choice& choice) {
  double* sums = choice.sums;
  for (int64_t begin = run.begin; begin < run.end; begin += run.row) {
    const auto value = [&](int64_t j) { return tau_as_asked(run, i, begin + j); };
    const auto stays = [&](int64_t j) {
      const uint32_t limit = choice.limits[rank_in_row(run.row, j, value)];
      return is_head(run.first + begin + j, choice.key, limit);
    };
    for (int64_t j = 0; j < run.row; ++j) {
      const uint64_t bit = stays(j);
      place_bits(&bit, 1, choice.kept, choice.kept_first + begin + j);
    }
    if (sums == nullptr) continue;
    sums[i] += tree_sum(0, run.row, [&](int64_t j) { return absolute(value(j)); });
    sums[run.checkpoints + i] += tree_sum(0, run.row, [&](int64_t j) {
      const int64_t place = choice.kept_first + begin + j;
      return (bits_from(choice.kept, place) & 1) != 0 ? absolute(value(j)) : 0.0f;
    });
    sums += 2 * run.checkpoints;
  }
}

}  // namespace
}  // namespace taujp
