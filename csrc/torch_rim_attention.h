// What `attention_tangent` checks and allocates: heads may be views of a packed projection, their
// last dimension contiguous; the result lies as [batch, queries, heads, values].
#pragma once
#include "tangent/attention.h"
#include "torch_rim_tangent.h"

namespace taujp {

struct AttentionCall {
  AttentionTangent call;
  Tensor result;

  Tensor viewed() const { return torch::stable::transpose(result, 1, 2); }
};

struct CheckHeads {
  const Tensor& like;
  Check check{"attention_tangent"};

  // [batch, heads, rows, width] with those sizes, where a size of 1 may be broadcast if `spread`.
  Heads heads(const Tensor& tensor, const char* name, std::vector<int64_t> sizes,
              bool spread) const {
    bool fits = tensor.dim() == 4 && tensor.scalar_type() == like.scalar_type() &&
                tensor.device().type() == like.device().type() &&
                tensor.get_device_index() == like.get_device_index() &&
                (tensor.size(3) <= 1 || tensor.stride(3) == 1);
    for (int64_t d = 0; fits && d < 4; ++d)
      fits = tensor.size(d) == sizes[d] || (spread && d < 3 && tensor.size(d) == 1);
    STD_TORCH_CHECK(fits, "taujp::attention_tangent: ", name, " is ", described(tensor),
                    "; expected ", name_of(like.scalar_type()), " (", sizes[0], ", ", sizes[1],
                    ", ", sizes[2], ", ", sizes[3], "), the last dimension contiguous, on the ",
                    "device of q", spread ? "; the first three may be 1" : "");
    const auto stride = [&](int64_t d) { return tensor.size(d) == 1 ? 0 : tensor.stride(d); };
    return {tensor.const_data_ptr(), stride(0), stride(1), stride(2)};
  }

  Heads maybe(const MaybeTensor& tensor, const char* name, std::vector<int64_t> sizes,
              bool spread = false) const {
    return tensor.has_value() ? heads(*tensor, name, sizes, spread) : Heads{};
  }
};

inline AttentionCall attention_call(const Tensor& q, const Tensor& k, const Tensor& v,
                                    const MaybeTensor& dq, const MaybeTensor& dk,
                                    const MaybeTensor& dv, const MaybeTensor& mask, double scale,
                                    bool causal) {
  const CheckHeads check{q};
  for (const Tensor* tensor : {&q, &k, &v})
    STD_TORCH_CHECK(tensor->dim() == 4, "taujp::attention_tangent: q, k or v is ",
                    described(*tensor), "; expected (batch, heads, rows, width)");
  AttentionTangent call{};
  call.dtype = check.check.dtype(q, "q");
  call.batch = q.size(0), call.heads = q.size(1), call.queries = q.size(2), call.width = q.size(3);
  call.keys = k.size(2), call.values = v.size(3), call.scale = scale, call.causal = causal;
  const int64_t b = call.batch, h = call.heads;
  const std::vector<int64_t> of_q{b, h, call.queries, call.width},
      of_k{b, h, call.keys, call.width}, of_v{b, h, call.keys, call.values};
  call.q = check.heads(q, "q", of_q, false);
  call.k = check.heads(k, "k", of_k, false);
  call.v = check.heads(v, "v", of_v, false);
  call.dq = check.maybe(dq, "dq", of_q);
  call.dk = check.maybe(dk, "dk", of_k);
  call.dv = check.maybe(dv, "dv", of_v);
  call.mask = check.maybe(mask, "mask", {b, h, call.queries, call.keys}, true);
  const Tensor result = torch::stable::new_empty(q, {b, call.queries, h, call.values});
  call.result = result.mutable_data_ptr();
  return {call, result};
}

}  // namespace taujp
