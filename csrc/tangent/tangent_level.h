// What one SIMD level offers of the tangents, and of the objectives' rows: plain pointers in, rows
// or elements [begin, end) done.
#pragma once
#include "objective/risk.h"
#include "tangent/attention.h"
#include "tangent/delta.h"
#include "tangent/gelu.h"
#include "tangent/layer_norm.h"
#include "tangent/norm.h"

namespace taujp {

struct TangentLevel {
  const char* name;
  void (*layer_norm_tangent)(const LayerNormTangent&, int64_t begin, int64_t end);
  void (*gelu_tangent)(const GeluTangent&, int64_t begin, int64_t end);
  void (*row_norm)(const RowNorm&, int64_t begin, int64_t end);
  void (*row_norm_grad)(const RowNorm&, int64_t begin, int64_t end);
  void (*delta)(const Delta&, int64_t begin, int64_t end);
  void (*risk_rows)(const RiskRows&, int64_t begin, int64_t end);
  void (*risk_rows_grad)(const RiskRows&, int64_t begin, int64_t end);
  // The bytes of scratch that one thread needs, and heads [begin, end) of batch x heads.
  int64_t (*attention_scratch)(const AttentionTangent&);
  void (*attention_tangent)(const AttentionTangent&, int64_t begin, int64_t end, void* scratch);
};

const TangentLevel& tangent_level_portable();
const TangentLevel& tangent_level_scalar();
const TangentLevel* tangent_level_avx2();  // null where this build has none
const TangentLevel* tangent_level_avx512();

// The level that core/run.h's level() picked; fp64 is always computed by "scalar".
const TangentLevel& tangent_level(Dtype dtype);

}  // namespace taujp
