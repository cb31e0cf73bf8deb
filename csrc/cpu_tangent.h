// The tangents' operations on the CPU: checked, then shared out over torch's own threads.
#pragma once
#include <algorithm>
#include <memory>

#include "core/scratch.h"
#include "tangent/tangent_level.h"
#include "torch_rim_attention.h"
#include "torch_rim_deltas.h"
#include "torch_rim_tangent.h"

namespace taujp {
namespace ops {

// Elements that are worth a thread of their own.
constexpr int64_t kGrain = 1 << 15;

template <class Call>
void share_out(void (*kernel)(const Call&, int64_t, int64_t), const Call& call, int64_t items,
               int64_t elements_an_item) {
  if (items == 0) return;
  const int64_t grain = std::max<int64_t>(1, kGrain / std::max<int64_t>(1, elements_an_item));
  torch::stable::parallel_for(0, items, grain,
                              [&](int64_t begin, int64_t end) { kernel(call, begin, end); });
}

inline Tensor layer_norm_tangent(Tensor x, MaybeTensor dx, Tensor mean, Tensor rstd,
                                 MaybeTensor weight, MaybeTensor dweight, MaybeTensor dbias) {
  const Tensor dy = empty_like(x);
  const LayerNormTangent call = layer_norm_call(x, dx, mean, rstd, weight, dweight, dbias, dy);
  share_out(tangent_level(call.dtype).layer_norm_tangent, call, rows_of(x, call.width), call.width);
  return dy;
}

inline Tensor gelu_tangent(Tensor x, Tensor dx, std::string approximate) {
  const Tensor dy = empty_like(x);
  const GeluTangent call = gelu_call(x, dx, approximate, dy);
  share_out(tangent_level(call.dtype).gelu_tangent, call, x.numel(), 1);
  return dy;
}

inline Tensor row_norm(Tensor x) {
  RowNorm call = row_norm_call("row_norm", x);
  const Tensor norms = torch::stable::new_empty(x, {x.size(0)});
  call.result = norms.mutable_data_ptr();
  share_out(tangent_level(call.dtype).row_norm, call, x.size(0), call.width);
  return norms;
}

inline Tensor row_norm_grad(Tensor x, Tensor norm, Tensor grad) {
  RowNorm call = row_norm_grad_call(x, norm, grad);
  const Tensor grad_x = empty_like(x);
  call.result = grad_x.mutable_data_ptr();
  share_out(tangent_level(call.dtype).row_norm_grad, call, x.size(0), call.width);
  return grad_x;
}

inline std::vector<Tensor> deltas(std::vector<Tensor> theta, std::vector<Tensor> theta0,
                                  std::optional<ScalarType> dtype) {
  const Deltas deltas = make_deltas(theta, theta0, dtype);
  struct Piece {
    size_t parameter;
    int64_t begin, end;
  };
  std::vector<Piece> pieces;
  for (size_t p = 0; p < deltas.calls.size(); ++p)
    for (int64_t begin = 0; begin < deltas.sizes[p]; begin += kGrain)
      pieces.push_back({p, begin, std::min(begin + kGrain, deltas.sizes[p])});
  const auto work = [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Delta& call = deltas.calls[pieces[i].parameter];
      tangent_level(call.dtype).delta(call, pieces[i].begin, pieces[i].end);
    }
  };
  torch::stable::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, work);
  return deltas.results;
}

// Kept by each thread: fresh memory of this size costs more in page faults than the work in it.
inline void* scratch_of_thread(int64_t bytes) {
  thread_local Scratch scratch;
  thread_local int64_t size = 0;
  if (bytes > size) {
    scratch = make_scratch((bytes + 3) / 4);
    size = bytes;
  }
  return scratch.get();
}

inline Tensor attention_tangent(Tensor q, Tensor k, Tensor v, MaybeTensor dq, MaybeTensor dk,
                                MaybeTensor dv, MaybeTensor mask, double scale, bool causal) {
  const AttentionCall made = attention_call(q, k, v, dq, dk, dv, mask, scale, causal);
  const AttentionTangent& call = made.call;
  const TangentLevel& level = tangent_level(call.dtype);
  const int64_t heads = call.batch * call.heads, bytes = level.attention_scratch(call);
  if (call.queries > 0 && call.values > 0 && heads > 0)
    torch::stable::parallel_for(0, heads, 1, [&](int64_t begin, int64_t end) {
      level.attention_tangent(call, begin, end, scratch_of_thread(bytes));
    });
  return made.viewed();
}

}  // namespace ops
}  // namespace taujp
