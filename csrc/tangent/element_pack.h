// What tangent/head.h asks of the host's level "scalar": one number at a time, in fp32 or fp64.
#pragma once
#include "tangent/element_row.h"
#include "tangent/head.h"

namespace taujp {

template <Dtype format>
struct ElementPack {
  static constexpr Dtype inner = format == Dtype::f64 ? Dtype::f64 : Dtype::f32;
  using Number = NumberOf<format>;
  using Scalar = Number;
  static constexpr int lanes = 1, key_vectors = 4, value_vectors = 4;

  static Number get(const Scalar* data) { return *data; }
  static void put(Scalar* data, Number x) { *data = x; }

  static void prefetch(const void*, int64_t) {}
  static void zero_row(int64_t count, Scalar* row) {
    for (int64_t j = 0; j < count; ++j) row[j] = Scalar(0);
  }
  static void read_row(Dtype, const void* data, int64_t count, Scalar* row) {
    const auto x = ElementRow<format>{count}.of(data, 0);
    for (int64_t j = 0; j < count; ++j) row[j] = x(j);
  }
  static void write_row(Dtype, const Scalar* row, int64_t count, void* data, int64_t first) {
    const auto y = ElementRow<format>{count}.into(data, first);
    for (int64_t j = 0; j < count; ++j) y.put(j, row[j]);
  }
  static void transpose(const Scalar* rows, int64_t width, int64_t count, Scalar* columns,
                        int64_t stride) {
    for (int64_t j = 0; j < count; ++j)
      for (int64_t d = 0; d < width; ++d) columns[d * stride + j] = rows[j * width + d];
  }
  static void softmax(const AttentionTangent& in, const void* mask, int64_t seen, Scalar* scores,
                      Scalar* dscores) {
    const HostRow<inner> row{{seen}};
    softmax_tangent(row, scores, dscores, ElementRow<format>{seen}.of(mask, 0),
                    static_cast<Number>(in.scale));
  }
};

}  // namespace taujp
