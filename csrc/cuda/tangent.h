// The tangents' operations on CUDA but for attention, and the launches of the objectives' rows: a
// warp a row, or kStretch elements of an elementwise formula. The formulas and the order of every
// sum are those of the host.
#pragma once
#include "cuda/merge.h"
#include "cuda/warp_row.h"
#include "tangent/rows.h"
#include "torch_rim_deltas.h"
#include "torch_rim_tangent.h"

namespace taujp {

constexpr int64_t kStretch = 1024;

// Items [0, count) of a loop of tangent/rows.h, `share` of them a warp.
// `blocks` a multiprocessor, so that the registers suffice.
template <class Call, void (*loop)(const Call&, int64_t, int64_t), int blocks = 4>
__global__ void __launch_bounds__(kThreads, blocks)
    warp_kernel(const Call call, int64_t count, int64_t share) {
  const int64_t warp = (blockIdx.x * int64_t{kThreads} + threadIdx.x) / kWarp;
  const int64_t begin = warp * share;
  if (begin < count) loop(call, begin, begin + share < count ? begin + share : count);
}

struct DeltaTile {
  int64_t parameter, begin, end;
};

template <Dtype format>
__global__ void __launch_bounds__(kThreads)
    delta_kernel(const Delta* calls, const DeltaTile* tiles, int64_t count) {
  const int64_t warp = (blockIdx.x * int64_t{kThreads} + threadIdx.x) / kWarp;
  if (warp >= count) return;
  const DeltaTile tile = tiles[warp];
  const Delta call = calls[tile.parameter];
  if (call.dtype == format) RowLoops<WarpRow>::delta<format>(call, tile.begin, tile.end);
}

inline unsigned warp_blocks(int64_t warps) {
  return static_cast<unsigned>((warps * kWarp + kThreads - 1) / kThreads);
}

namespace ops {

cudaStream_t current_stream(const Tensor& like);

using Loops = RowLoops<WarpRow>;

#define TAUJP_LAUNCH_WARPS(operation, Call)                                              \
  inline void launch_##operation(const Call& call, int64_t count, int64_t share,         \
                                 const Tensor& like) {                                   \
    if (count == 0) return;                                                              \
    const torch::stable::accelerator::DeviceGuard guard(like.get_device_index());        \
    cudaStream_t stream = current_stream(like);                                          \
    const unsigned blocks = warp_blocks((count + share - 1) / share);                    \
    const auto start = [&](auto* kernel) {                                               \
      kernel<<<blocks, kThreads, 0, stream>>>(call, count, share);                       \
    };                                                                                   \
    switch (call.dtype) {                                                                \
      case Dtype::f64: start(warp_kernel<Call, Loops::operation<Dtype::f64>, 2>); break; \
      case Dtype::f32: start(warp_kernel<Call, Loops::operation<Dtype::f32>>); break;    \
      case Dtype::f16: start(warp_kernel<Call, Loops::operation<Dtype::f16>>); break;    \
      case Dtype::bf16: start(warp_kernel<Call, Loops::operation<Dtype::bf16>>); break;  \
    }                                                                                    \
    check_launch(#operation);                                                            \
  }
TAUJP_LAUNCH_WARPS(layer_norm_tangent, LayerNormTangent)
TAUJP_LAUNCH_WARPS(gelu_tangent, GeluTangent)
TAUJP_LAUNCH_WARPS(row_norm, RowNorm)
TAUJP_LAUNCH_WARPS(row_norm_grad, RowNorm)
TAUJP_LAUNCH_WARPS(risk_rows, RiskRows)
TAUJP_LAUNCH_WARPS(risk_rows_grad, RiskRows)
#undef TAUJP_LAUNCH_WARPS

inline Tensor layer_norm_tangent_cuda(Tensor x, MaybeTensor dx, Tensor mean, Tensor rstd,
                                      MaybeTensor weight, MaybeTensor dweight, MaybeTensor dbias) {
  const Tensor dy = empty_like(x);
  const LayerNormTangent call = layer_norm_call(x, dx, mean, rstd, weight, dweight, dbias, dy);
  launch_layer_norm_tangent(call, rows_of(x, call.width), 1, x);
  return dy;
}

inline Tensor gelu_tangent_cuda(Tensor x, Tensor dx, std::string approximate) {
  const Tensor dy = empty_like(x);
  launch_gelu_tangent(gelu_call(x, dx, approximate, dy), x.numel(), kStretch, x);
  return dy;
}

inline Tensor row_norm_cuda(Tensor x) {
  RowNorm call = row_norm_call("row_norm", x);
  const Tensor norms = torch::stable::new_empty(x, {x.size(0)});
  call.result = norms.mutable_data_ptr();
  launch_row_norm(call, x.size(0), 1, x);
  return norms;
}

inline Tensor row_norm_grad_cuda(Tensor x, Tensor norm, Tensor grad) {
  RowNorm call = row_norm_grad_call(x, norm, grad);
  const Tensor grad_x = empty_like(x);
  call.result = grad_x.mutable_data_ptr();
  launch_row_norm_grad(call, x.size(0), 1, x);
  return grad_x;
}

// One launch for each dtype among the parameters, which is one as a rule.
inline void launch_deltas(const Deltas& deltas, const Tensor& like) {
  std::vector<DeltaTile> tiles;
  bool present[4] = {};
  for (size_t p = 0; p < deltas.calls.size(); ++p) {
    present[static_cast<int>(deltas.calls[p].dtype)] = true;
    for (int64_t begin = 0; begin < deltas.sizes[p]; begin += kStretch)
      tiles.push_back(
          {static_cast<int64_t>(p), begin, std::min(begin + kStretch, deltas.sizes[p])});
  }
  if (tiles.empty()) return;
  const torch::stable::accelerator::DeviceGuard guard(like.get_device_index());
  cudaStream_t stream = current_stream(like);
  Table table;
  const size_t call_at = table.reserve<Delta>(deltas.calls.size());
  const size_t tile_at = table.reserve<DeltaTile>(tiles.size());
  table.allocate(like);
  const Delta* calls = table.fill(call_at, deltas.calls.data(), deltas.calls.size());
  const DeltaTile* device_tiles = table.fill(tile_at, tiles.data(), tiles.size());
  table.send(stream);
  const int64_t count = static_cast<int64_t>(tiles.size());
  const auto start = [&](Dtype dtype, auto* kernel) {
    if (present[static_cast<int>(dtype)])
      kernel<<<warp_blocks(count), kThreads, 0, stream>>>(calls, device_tiles, count);
  };
  start(Dtype::f64, delta_kernel<Dtype::f64>);
  start(Dtype::f32, delta_kernel<Dtype::f32>);
  start(Dtype::f16, delta_kernel<Dtype::f16>);
  start(Dtype::bf16, delta_kernel<Dtype::bf16>);
  check_launch("deltas");
}

inline std::vector<Tensor> deltas_cuda(std::vector<Tensor> theta, std::vector<Tensor> theta0,
                                       std::optional<ScalarType> dtype) {
  const Deltas deltas = make_deltas(theta, theta0, dtype);
  if (!theta.empty()) launch_deltas(deltas, theta[0]);
  return deltas.results;
}

}  // namespace ops
}  // namespace taujp
