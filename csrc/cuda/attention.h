// Launches the attention kernel with as many queries a warp as the device's shared memory holds.
#pragma once
#include "cuda/attention_kernel.h"
#include "cuda/tangent.h"
#include "torch_rim_attention.h"

namespace taujp {

inline int shared_bytes_of(const Tensor& like) {
  int bytes = 0;
  check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin,
                                    like.get_device_index()),
             "asking for the shared memory of a block");
  return bytes;
}

struct LaunchAttention {
  const AttentionTangent& call;
  int64_t shared;  // bytes of a block
  cudaStream_t stream;

  // False where so many rows do not fit.
  template <Dtype format, int rows>
  bool with_rows() const {
    const int64_t bytes = plan_block(call, rows).total * sizeof(NumberOf<format>);
    if (bytes > shared) return false;
    const auto kernel = attention_kernel<format, rows>;
    check_cuda(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                    static_cast<int>(bytes)),
               "attention_tangent");
    const int64_t a_block = int64_t{rows} * kAttentionWarps;
    const int64_t blocks = (call.queries + a_block - 1) / a_block;
    kernel<<<static_cast<unsigned>(blocks * call.batch * call.heads), kAttentionWarps * kWarp,
             static_cast<size_t>(bytes), stream>>>(call, blocks);
    return true;
  }

  template <Dtype format>
  bool run() const {
    const bool few = call.queries <= kAttentionWarps;
    return (!few && (with_rows<format, 8>() || with_rows<format, 4>() || with_rows<format, 2>())) ||
           with_rows<format, 1>();
  }
};

namespace ops {

inline Tensor attention_tangent_cuda(Tensor q, Tensor k, Tensor v, MaybeTensor dq, MaybeTensor dk,
                                     MaybeTensor dv, MaybeTensor mask, double scale, bool causal) {
  const AttentionCall made = attention_call(q, k, v, dq, dk, dv, mask, scale, causal);
  const AttentionTangent& call = made.call;
  if (call.batch * call.heads * call.queries * call.values == 0) return made.viewed();
  const torch::stable::accelerator::DeviceGuard guard(q.get_device_index());
  const LaunchAttention launch{call, shared_bytes_of(q), current_stream(q)};
  const bool fits = call.dtype == Dtype::f64   ? launch.run<Dtype::f64>()
                    : call.dtype == Dtype::f32 ? launch.run<Dtype::f32>()
                    : call.dtype == Dtype::f16 ? launch.run<Dtype::f16>()
                                               : launch.run<Dtype::bf16>();
  STD_TORCH_CHECK(fits, "taujp::attention_tangent: ", call.keys, " keys of width ", call.width,
                  " do not fit into the ", launch.shared,
                  " bytes of shared memory that a block of this GPU has; use shorter sequences");
  check_launch("attention_tangent");
  return made.viewed();
}

}  // namespace ops
}  // namespace taujp
