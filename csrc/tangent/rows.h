// The loops over rows, once for every kind of row: Row<format> is a level's LanesRow or HostRow.
#pragma once
#include "tangent/tangent_level.h"

// A loop is compiled into its caller where a GPU runs it.
#if defined(__CUDACC__)
#define TAUJP_LOOP TAUJP_INLINE
#else
#define TAUJP_LOOP
#endif

namespace taujp {

template <template <Dtype> class Row>
struct RowLoops {
  template <Dtype format>
  TAUJP_LOOP static void layer_norm_tangent(const LayerNormTangent& in, int64_t begin,
                                            int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      taujp::layer_norm_tangent(Row<format>{in.width}, in, index);
  }
  template <Dtype format>
  TAUJP_LOOP static void gelu_tangent(const GeluTangent& in, int64_t begin, int64_t end) {
    taujp::gelu_tangent(Row<format>{end - begin}, in, begin);
  }
  template <Dtype format>
  TAUJP_LOOP static void row_norm(const RowNorm& in, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      taujp::row_norm(Row<format>{in.width}, in, index);
  }
  template <Dtype format>
  TAUJP_LOOP static void row_norm_grad(const RowNorm& in, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      taujp::row_norm_grad(Row<format>{in.width}, in, index);
  }
  template <Dtype format>
  TAUJP_LOOP static void risk_rows(const RiskRows& in, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      taujp::risk_rows(Row<format>{in.classes}, in, index);
  }
  template <Dtype format>
  TAUJP_LOOP static void risk_rows_grad(const RiskRows& in, int64_t begin, int64_t end) {
    for (int64_t index = begin; index < end; ++index)
      taujp::risk_rows_grad(Row<format>{in.classes}, in, index);
  }
  template <Dtype format>
  TAUJP_LOOP static void delta(const Delta& in, int64_t begin, int64_t end) {
    taujp::delta(Row<format>{end - begin}, in, begin);
  }
};

}  // namespace taujp
