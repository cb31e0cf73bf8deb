// The tangent of attention for one head: a few queries at a time, whose scores and outputs stay in
// registers over the whole inner loop while what they meet stays in the caches.
#pragma once
#include "tangent/packed_head.h"

namespace taujp {

template <class Pack>
struct Head : PackedHead<Pack> {
  using Number = typename Pack::Number;
  using Scalar = typename Pack::Scalar;
  using PackedHead<Pack>::in, PackedHead<Pack>::plan, PackedHead<Pack>::scratch;
  using PackedHead<Pack>::b, PackedHead<Pack>::h;

  void run() const {
    this->pack_keys();
    this->pack_values();
    const int64_t blocks = (in.queries + kQueries - 1) / kQueries;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first = in.queries * block / blocks;
      const int64_t count = in.queries * (block + 1) / blocks - first;
      switch (count) {
        case 1: attend<1>(first); break;
        case 2: attend<2>(first); break;
        case 3: attend<3>(first); break;
        case 4: attend<4>(first); break;
        case 5: attend<5>(first); break;
        default: attend<6>(first);
      }
    }
  }

 private:
  template <int rows>
  void attend(int64_t first) const {
    const int64_t seen = keys_seen(in, first + rows - 1);
    this->read_queries(first, rows);
    score<rows>(seen);
    for (int r = 0; r < rows; ++r) soften(first + r, r, seen);
    add_up<rows>(first, seen);
  }

  int64_t score_stride() const { return plan.panels * plan.panel_keys; }

  // s and ds of all the keys that one of the rows sees.
  template <int rows>
  void score(int64_t seen) const {
    for (int64_t first = 0; first < seen; first += plan.panel_keys)
      if (seen - first > Pack::lanes && Pack::key_vectors > 1)
        score_panel<rows, Pack::key_vectors>(first);
      else
        score_panel<rows, 1>(first);
  }

  template <int rows, int vectors>
  void score_panel(int64_t first) const {
    const int64_t width = in.width, step = 2 * plan.panel_keys;
    const Scalar* query = scratch + plan.queries;
    const Scalar* key = scratch + plan.keys + first * width * 2;
    Number s[rows][vectors], ds[rows][vectors];
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) TAUJP_UNROLL
    for (int c = 0; c < vectors; ++c) s[r][c] = ds[r][c] = Number(0.0f);
    for (int64_t d = 0; d < width; ++d, key += step) {
      Number k[vectors], dk[vectors];
      TAUJP_UNROLL
      for (int c = 0; c < vectors; ++c) {
        k[c] = Pack::get(key + c * Pack::lanes);
        dk[c] = Pack::get(key + plan.panel_keys + c * Pack::lanes);
      }
      TAUJP_UNROLL
      for (int r = 0; r < rows; ++r) {
        const Number q(query[r * 2 * width + d]), dq(query[(r * 2 + 1) * width + d]);
        TAUJP_UNROLL
        for (int c = 0; c < vectors; ++c) {
          s[r][c] = fma(q, k[c], s[r][c]);
          ds[r][c] = fma(dq, k[c], ds[r][c]);
          ds[r][c] = fma(q, dk[c], ds[r][c]);
        }
      }
    }
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) TAUJP_UNROLL
    for (int c = 0; c < vectors; ++c) {
      const int64_t at = r * score_stride() + first + c * Pack::lanes;
      Pack::put(scratch + plan.scores + at, s[r][c]);
      Pack::put(scratch + plan.dscores + at, ds[r][c]);
    }
  }

  // p and dp of query i, which is row r; zeros up to `seen`, which another row sees.
  void soften(int64_t i, int r, int64_t seen) const {
    Scalar* p = scratch + plan.scores + r * score_stride();
    Scalar* dp = scratch + plan.dscores + r * score_stride();
    const int64_t mine = keys_seen(in, i);
    Pack::softmax(in, row_of(in, in.mask, b, h, i), mine, p, dp);
    for (int64_t j = mine; j < seen; ++j) p[j] = dp[j] = Scalar(0);
  }

  // The values' columns in about equal groups of registers.
  template <int rows>
  void add_up(int64_t first, int64_t seen) const {
    const int64_t vectors = plan.value_stride / Pack::lanes;
    const int64_t groups = (vectors + Pack::value_vectors - 1) / Pack::value_vectors;
    for (int64_t group = 0; group < groups; ++group) {
      const int64_t begin = vectors * group / groups, end = vectors * (group + 1) / groups;
      switch (end - begin) {
        case 1: add_columns<rows, 1>(begin * Pack::lanes, seen); break;
        case 2: add_columns<rows, 2>(begin * Pack::lanes, seen); break;
        case 3: add_columns<rows, 3>(begin * Pack::lanes, seen); break;
        default: add_columns<rows, 4>(begin * Pack::lanes, seen);
      }
    }
    for (int r = 0; r < rows; ++r) {
      const int64_t at = ((b * in.queries + first + r) * in.heads + h) * in.values;
      Pack::write_row(in.dtype, scratch + plan.rows + r * plan.value_stride, in.values, in.result,
                      at);
    }
  }

  // sum[r] += p[r] times the registers at `value`.
  template <int rows, int vectors>
  TAUJP_INLINE static void add_products(const Scalar* p, int64_t stride, const Scalar* value,
                                        Number (&sum)[rows][vectors]) {
    Number v[vectors];
    TAUJP_UNROLL
    for (int c = 0; c < vectors; ++c) v[c] = Pack::get(value + c * Pack::lanes);
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) {
      const Number share(p[r * stride]);
      TAUJP_UNROLL
      for (int c = 0; c < vectors; ++c) sum[r][c] = fma(share, v[c], sum[r][c]);
    }
  }

  template <int rows, int vectors>
  void add_columns(int64_t column, int64_t seen) const {
    const int64_t stride = score_stride();
    const Scalar *p = scratch + plan.scores, *dp = scratch + plan.dscores;
    const Scalar* value = scratch + plan.values + column;
    Number sum[rows][vectors];
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) TAUJP_UNROLL
    for (int c = 0; c < vectors; ++c) sum[r][c] = Number(0.0f);
    for (int64_t j = 0; j < seen; ++j, value += 2 * plan.value_stride) {
      add_products<rows, vectors>(dp + j, stride, value, sum);
      add_products<rows, vectors>(p + j, stride, value + plan.value_stride, sum);
    }
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) TAUJP_UNROLL
    for (int c = 0; c < vectors; ++c)
      Pack::put(scratch + plan.rows + r * plan.value_stride + column + c * Pack::lanes, sum[r][c]);
  }
};

// Heads [begin, end) of batch x heads; the scratch as plan_head asks.
template <class Pack>
static void attention_heads(const AttentionTangent& in, int64_t begin, int64_t end, void* scratch) {
  const HeadPlan plan = plan_head<Pack>(in);
  for (int64_t index = begin; index < end; ++index)
    Head<Pack>{{in, plan, static_cast<typename Pack::Scalar*>(scratch), index / in.heads,
                index % in.heads}}
        .run();
}

}  // namespace taujp
