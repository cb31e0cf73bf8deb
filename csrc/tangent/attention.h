// The tangent of O = P V, P = softmax(S), S = scale Q K^T + mask, for one head:
//   dS = scale (dQ K^T + Q dK^T),  dP = P (dS - <P, dS>) row by row,  dO = dP V + P dV
// Vaswani et al., arXiv 1706.03762. P is computed again from Q and K: cheaper than to keep it. A
// row whose keys are all masked has P = 0, as torch has it. Causal: query i sees the keys 0..i.
// Every sum over the head's width or over the keys runs in their order, by fused multiply-adds.
#pragma once
#include "tangent/element.h"
#include "tangent/exponential.h"

namespace taujp {

// Heads of rows: strides in elements; the elements of a row follow each other. Null data is zero.
struct Heads {
  const void* data;
  int64_t batch, head, row;
};

struct AttentionTangent {
  Heads q, k, v, dq, dk, dv;  // [batch, heads, queries or keys, width or values]
  Heads mask;                 // [batch, heads, queries, keys]; stride 0 where it is broadcast
  void* result;               // [batch, queries, heads, values]
  int64_t batch, heads, queries, keys, width, values;
  double scale;
  bool causal;
  Dtype dtype;
};

// Row `row` of head (b, h); null where there is none.
TAUJP_INLINE const void* row_of(const AttentionTangent& in, const Heads& heads, int64_t b,
                                int64_t h, int64_t row) {
  return advanced(heads.data, b * heads.batch + h * heads.head + row * heads.row, in.dtype);
}

// How many of the keys query `i` sees.
TAUJP_INLINE int64_t keys_seen(const AttentionTangent& in, int64_t i) {
  return in.causal && i + 1 < in.keys ? i + 1 : in.keys;
}

// s = q k^T and ds = dq k^T + q dk^T become p and dp, in place; mask(j) is added to scale s.
template <class Row, class Mask>
TAUJP_INLINE void softmax_tangent(const Row& row, void* scores, void* dscores, const Mask& mask,
                                  typename Row::Number scale) {
  using Number = typename Row::Number;
  const Number zero(0.0f), lowest(-INFINITY);
  const auto s = row.of(scores, 0), ds = row.of(dscores, 0);
  const auto p = row.into(scores, 0), dp = row.into(dscores, 0);
  const Number most = row.max([&](auto j) TAUJP_INLINE_LAMBDA {
    const Number score = fma(s(j), scale, mask(j));
    p.put(j, score);
    return score;
  });
  const Number shift = select(most == lowest, zero, most);
  const Number total = row.sum([&](auto j) TAUJP_INLINE_LAMBDA {
    const Number e = exponential(s(j) - shift);
    p.put(j, e);
    return e;
  });
  const Number inverse = select(total == zero, zero, Number(1.0f) / total);
  const Number mean = row.sum([&](auto j) TAUJP_INLINE_LAMBDA { return s(j) * ds(j); }) * inverse;
  row.each([&](auto j) TAUJP_INLINE_LAMBDA {
    const Number share = s(j) * inverse;
    dp.put(j, share * ((ds(j) - mean) * scale));
    p.put(j, share);
  });
}

}  // namespace taujp
