// One head of attention brought together: the keys as panels [width] by Pack::key_vectors
// registers, each followed by its tangents, the values as rows, a few queries at a time; all in
// fp32 (fp64). Pack is a level's register of floats (tangent/lanes_pack.h), or one number of the
// host.
#pragma once
#include "tangent/attention.h"

namespace taujp {

constexpr int kQueries = 6;  // at a time

// Where the pieces of one head lie in the scratch: offsets and strides in numbers.
struct HeadPlan {
  int64_t panel_keys, panels, value_stride;
  int64_t keys, values, queries, scores, dscores, rows, total;
};

template <class Pack>
TAUJP_INLINE HeadPlan plan_head(const AttentionTangent& in) {
  HeadPlan plan{};
  plan.panel_keys = Pack::lanes * Pack::key_vectors;
  plan.panels = (in.keys + plan.panel_keys - 1) / plan.panel_keys;
  plan.value_stride = (in.values + Pack::lanes - 1) / Pack::lanes * Pack::lanes;
  const int64_t padded = plan.panels * plan.panel_keys;
  const auto take = [&](int64_t numbers) {
    const int64_t offset = plan.total;
    plan.total += (numbers + 15) / 16 * 16;
    return offset;
  };
  plan.keys = take(padded * in.width * 2);
  plan.values = take(in.keys * plan.value_stride * 2);
  plan.queries = take(kQueries * in.width * 2);
  plan.scores = take(kQueries * padded);
  plan.dscores = take(kQueries * padded);
  const int64_t widest = in.width > plan.value_stride ? in.width : plan.value_stride;
  plan.rows = take((plan.panel_keys > kQueries ? plan.panel_keys : kQueries) * widest);
  return plan;
}

template <class Pack>
struct PackedHead {
  using Scalar = typename Pack::Scalar;
  const AttentionTangent& in;
  const HeadPlan& plan;
  Scalar* scratch;
  int64_t b, h;

  // Row `row` of `rows`. Rows of a packed projection lie pages apart, where the hardware foresees
  // nothing: a later one is asked for here.
  void read(const Heads& heads, int64_t row, int64_t rows, int64_t width, Scalar* to) const {
    constexpr int64_t ahead = 2 * kQueries;
    if (row + ahead < rows)
      Pack::prefetch(row_of(in, heads, b, h, row + ahead), width * bytes_of(in.dtype));
    Pack::read_row(in.dtype, row_of(in, heads, b, h, row), width, to);
  }

  // Keys past the last one are zeros.
  void pack_keys() const {
    const int64_t lanes = plan.panel_keys;
    for (int64_t panel = 0; panel < plan.panels; ++panel) {
      Scalar* packed = scratch + plan.keys + panel * lanes * in.width * 2;
      const Heads* const both[] = {&in.k, &in.dk};
      for (const Heads* heads : both) {
        const int64_t first = panel * lanes;
        const int64_t count = in.keys - first < lanes ? in.keys - first : lanes;
        Scalar* rows = scratch + plan.rows;
        for (int64_t j = 0; j < lanes; ++j)
          if (j < count)
            read(*heads, first + j, in.keys, in.width, rows + j * in.width);
          else
            Pack::zero_row(in.width, rows + j * in.width);
        Pack::transpose(rows, in.width, lanes, packed, 2 * lanes);
        packed += lanes;
      }
    }
  }

  void pack_values() const {
    Scalar* packed = scratch + plan.values;
    const Heads* const both[] = {&in.v, &in.dv};
    for (int64_t j = 0; j < in.keys; ++j)
      for (const Heads* heads : both) {
        read(*heads, j, in.keys, in.values, packed);
        Pack::zero_row(plan.value_stride - in.values, packed + in.values);
        packed += plan.value_stride;
      }
  }

  // Query first + r becomes row r, followed by its tangent.
  void read_queries(int64_t first, int rows) const {
    for (int r = 0; r < rows; ++r) {
      Scalar* query = scratch + plan.queries + r * in.width * 2;
      read(in.q, first + r, in.queries, in.width, query);
      read(in.dq, first + r, in.queries, in.width, query + in.width);
    }
  }
};

}  // namespace taujp
