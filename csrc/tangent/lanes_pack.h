// What tangent/head.h asks of a SIMD level: registers of floats, and rows read into the scratch.
// Included by tangent/level.h inside a level.
#pragma once
#include "tangent/head.h"
#include "tangent/lanes_row.h"

namespace taujp {
namespace TAUJP_LEVEL {

typedef float Quad __attribute__((vector_size(16)));

// Four rows of four become four columns.
TAUJP_INLINE void transpose_quads(const float* rows, int64_t stride, float* columns,
                                  int64_t column_stride) {
  Quad a, b, c, d;
  memcpy(&a, rows, sizeof a);
  memcpy(&b, rows + stride, sizeof b);
  memcpy(&c, rows + 2 * stride, sizeof c);
  memcpy(&d, rows + 3 * stride, sizeof d);
#if defined(__clang__)
#define TAUJP_SHUFFLE(x, y, i, j, k, l) __builtin_shufflevector(x, y, i, j, k, l)
#else
  typedef int32_t Order __attribute__((vector_size(16)));
#define TAUJP_SHUFFLE(x, y, i, j, k, l) __builtin_shuffle(x, y, Order{i, j, k, l})
#endif
  const Quad ab_low = TAUJP_SHUFFLE(a, b, 0, 4, 1, 5), ab_high = TAUJP_SHUFFLE(a, b, 2, 6, 3, 7);
  const Quad cd_low = TAUJP_SHUFFLE(c, d, 0, 4, 1, 5), cd_high = TAUJP_SHUFFLE(c, d, 2, 6, 3, 7);
  const Quad turned[4] = {
      TAUJP_SHUFFLE(ab_low, cd_low, 0, 1, 4, 5), TAUJP_SHUFFLE(ab_low, cd_low, 2, 3, 6, 7),
      TAUJP_SHUFFLE(ab_high, cd_high, 0, 1, 4, 5), TAUJP_SHUFFLE(ab_high, cd_high, 2, 3, 6, 7)};
#undef TAUJP_SHUFFLE
  for (int column = 0; column < 4; ++column)
    memcpy(columns + column * column_stride, &turned[column], sizeof turned[column]);
}

// A row of the scratch: its last register may be read and written whole.
struct ScratchRow : LanesRow<Dtype::f32> {
  struct Column {
    const float* data;
    template <class At>
    TAUJP_INLINE Floats operator()(At at) const {
      return load<Dtype::f32>(data, at.j);
    }
  };
  struct Into {
    float* data;
    template <class At>
    TAUJP_INLINE void put(At at, Floats x) const {
      memcpy(data + at.j, &x.bits, sizeof x.bits);
    }
  };
  TAUJP_INLINE Column of(const void* data, int64_t first) const {
    return {static_cast<const float*>(data) + first};
  }
  TAUJP_INLINE Into into(void* data, int64_t first) const {
    return {static_cast<float*>(data) + first};
  }
};

struct LanesPack {
  using Number = Floats;
  using Scalar = float;
  static constexpr int lanes = kLanes;
  // 12 to 24 accumulators: what 16 or 32 registers hold beside the operands.
  static constexpr int key_vectors = kLanes == 16 ? 2 : 1, value_vectors = kLanes == 16 ? 4 : 2;

  TAUJP_INLINE static Floats get(const float* data) { return load<Dtype::f32>(data, 0); }
  TAUJP_INLINE static void put(float* data, Floats x) { memcpy(data, &x.bits, sizeof x.bits); }

  TAUJP_INLINE static void prefetch(const void* data, int64_t bytes) {
    for (int64_t byte = 0; byte < bytes; byte += 64)
      __builtin_prefetch(static_cast<const char*>(data) + byte);
  }
  static void zero_row(int64_t count, float* row) { memset(row, 0, count * sizeof(float)); }

  // A row of a tensor; zeros where there is none.
  static void read_row(Dtype dtype, const void* data, int64_t count, float* row) {
    if (data == nullptr) return zero_row(count, row);
    switch (dtype) {
      case Dtype::f32: memcpy(row, data, count * sizeof(float)); return;
      case Dtype::f16: return convert<Dtype::f16, Dtype::f32>(data, count, row, 0);
      default: return convert<Dtype::bf16, Dtype::f32>(data, count, row, 0);
    }
  }
  static void write_row(Dtype dtype, const float* row, int64_t count, void* data, int64_t first) {
    switch (dtype) {
      case Dtype::f32: return convert<Dtype::f32, Dtype::f32>(row, count, data, first);
      case Dtype::f16: return convert<Dtype::f32, Dtype::f16>(row, count, data, first);
      default: return convert<Dtype::f32, Dtype::bf16>(row, count, data, first);
    }
  }
  template <Dtype from, Dtype to>
  static void convert(const void* source, int64_t count, void* target, int64_t first) {
    const LanesRow<from> row{count};
    const auto x = row.of(source, 0);
    const auto y = LanesRow<to>{count}.into(target, first);
    row.each([&](auto j) TAUJP_INLINE_LAMBDA { y.put(j, x(j)); });
  }

  // columns[d * stride + j] = rows[j * width + d]; `count` rows, a multiple of four.
  static void transpose(const float* rows, int64_t width, int64_t count, float* columns,
                        int64_t stride) {
    for (int64_t j = 0; j < count; j += 4) {
      int64_t d = 0;
      for (; d + 4 <= width; d += 4)
        transpose_quads(rows + j * width + d, width, columns + d * stride + j, stride);
      for (; d < width; ++d)
        for (int64_t row = j; row < j + 4; ++row) columns[d * stride + row] = rows[row * width + d];
    }
  }

  static void softmax(const AttentionTangent& in, const void* mask, int64_t seen, float* scores,
                      float* dscores) {
    switch (in.dtype) {
      case Dtype::f32: return softmax_masked<Dtype::f32>(in, mask, seen, scores, dscores);
      case Dtype::f16: return softmax_masked<Dtype::f16>(in, mask, seen, scores, dscores);
      default: return softmax_masked<Dtype::bf16>(in, mask, seen, scores, dscores);
    }
  }
  template <Dtype format>
  static void softmax_masked(const AttentionTangent& in, const void* mask, int64_t seen,
                             float* scores, float* dscores) {
    softmax_tangent(ScratchRow{{seen}}, scores, dscores, LanesRow<format>{seen}.of(mask, 0),
                    Floats(static_cast<float>(in.scale)));
  }
};

}  // namespace TAUJP_LEVEL
}  // namespace taujp
