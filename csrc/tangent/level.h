// The tangents at one SIMD level, compiled once for each by tangent/level_*.cpp.
#pragma once
#include "tangent/lanes_pack.h"
#include "tangent/lanes_row.h"
#include "tangent/rows.h"

namespace taujp {
namespace TAUJP_LEVEL {

using Loops = RowLoops<LanesRow>;

#define TAUJP_BY_DTYPE(operation, Arguments)                                \
  static void operation(const Arguments& in, int64_t begin, int64_t end) {  \
    switch (in.dtype) {                                                     \
      case Dtype::f32: return Loops::operation<Dtype::f32>(in, begin, end); \
      case Dtype::f16: return Loops::operation<Dtype::f16>(in, begin, end); \
      default: return Loops::operation<Dtype::bf16>(in, begin, end);        \
    }                                                                       \
  }
TAUJP_BY_DTYPE(layer_norm_tangent, LayerNormTangent)
TAUJP_BY_DTYPE(gelu_tangent, GeluTangent)
TAUJP_BY_DTYPE(row_norm, RowNorm)
TAUJP_BY_DTYPE(row_norm_grad, RowNorm)
TAUJP_BY_DTYPE(delta, Delta)
TAUJP_BY_DTYPE(risk_rows, RiskRows)
TAUJP_BY_DTYPE(risk_rows_grad, RiskRows)
#undef TAUJP_BY_DTYPE

static int64_t attention_scratch(const AttentionTangent& in) {
  return plan_head<LanesPack>(in).total * static_cast<int64_t>(sizeof(float));
}

static const TangentLevel this_tangent_level = {TAUJP_LEVEL_NAME,  layer_norm_tangent,
                                                gelu_tangent,      row_norm,
                                                row_norm_grad,     delta,
                                                risk_rows,         risk_rows_grad,
                                                attention_scratch, attention_heads<LanesPack>};

}  // namespace TAUJP_LEVEL
}  // namespace taujp
