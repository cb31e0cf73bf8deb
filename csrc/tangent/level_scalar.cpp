// The level "scalar" of the tangents: the elements that a CUDA thread computes, one after another
// on the host. Slow; there to hold the CUDA code against the SIMD levels (TAUJP_SIMD=scalar), and
// to compute fp64, by which the formulas are tested.
#include "tangent/element_pack.h"
#include "tangent/element_row.h"
#include "tangent/rows.h"

namespace taujp {
namespace {

using Loops = RowLoops<HostRow>;

#define TAUJP_BY_DTYPE(operation, Arguments)                                \
  void operation(const Arguments& in, int64_t begin, int64_t end) {         \
    switch (in.dtype) {                                                     \
      case Dtype::f64: return Loops::operation<Dtype::f64>(in, begin, end); \
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

int64_t attention_scratch(const AttentionTangent& in) {
  return in.dtype == Dtype::f64 ? plan_head<ElementPack<Dtype::f64>>(in).total * 8
                                : plan_head<ElementPack<Dtype::f32>>(in).total * 4;
}

void attention_tangent(const AttentionTangent& in, int64_t begin, int64_t end, void* scratch) {
  switch (in.dtype) {
    case Dtype::f64: return attention_heads<ElementPack<Dtype::f64>>(in, begin, end, scratch);
    case Dtype::f32: return attention_heads<ElementPack<Dtype::f32>>(in, begin, end, scratch);
    case Dtype::f16: return attention_heads<ElementPack<Dtype::f16>>(in, begin, end, scratch);
    default: return attention_heads<ElementPack<Dtype::bf16>>(in, begin, end, scratch);
  }
}

const TangentLevel this_level = {
    "scalar", layer_norm_tangent, gelu_tangent,   row_norm,          row_norm_grad,
    delta,    risk_rows,          risk_rows_grad, attention_scratch, attention_tangent};

}  // namespace

const TangentLevel& tangent_level_scalar() { return this_level; }

}  // namespace taujp
