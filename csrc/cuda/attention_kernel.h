// The tangent of attention for a few queries of one head by one block. Each warp has `rows`
// queries; a lane has a key while scores are formed, a column of the values while outputs are.
// Inputs are read in their own dtype, all else is fp32 (fp64) in shared memory and registers.
#pragma once
#include "cuda/warp_row.h"
#include "tangent/attention.h"

namespace taujp {

constexpr int kAttentionWarps = 4;
constexpr int kTileKeys = kWarp;

// Four numbers that are read from shared memory at once.
template <class Number>
struct alignas(16) Four {
  Number at[4];
};

template <class Number>
__device__ const Four<Number>& four_at(const Number* data) {
  return *reinterpret_cast<const Four<Number>*>(data);
}

// Where the pieces lie in the block's shared memory, in numbers; rows padded to whole fours.
struct BlockPlan {
  int64_t width, key_stride, score_stride;
  int64_t queries, keys, scores, total;
};

TAUJP_INLINE BlockPlan plan_block(const AttentionTangent& in, int rows) {
  BlockPlan plan{};
  plan.width = (in.width + 3) / 4 * 4;
  plan.key_stride = plan.width + 4;  // lanes that read fours at this stride meet no bank twice
  plan.score_stride = (in.keys + 3) / 4 * 4;
  const int64_t block_rows = int64_t{rows} * kAttentionWarps;
  plan.keys = block_rows * 2 * plan.width;
  plan.scores = plan.keys + 2 * kTileKeys * plan.key_stride;
  plan.total = plan.scores + block_rows * 2 * plan.score_stride;
  return plan;
}

template <Dtype format, int rows>
struct Block {
  using Number = NumberOf<format>;
  const AttentionTangent& in;
  const BlockPlan plan;
  Number* shared;
  int64_t b, h, first;  // the block's first query
  int lane, warp;

  __device__ int64_t query(int r) const { return first + warp * rows + r; }
  __device__ const Number* queries(int r) const {
    return shared + plan.queries + (warp * rows + r) * 2 * plan.width;
  }
  __device__ Number* scores(int r) const {
    return shared + plan.scores + (warp * rows + r) * 2 * plan.score_stride;
  }

  // Row `row` of a tensor, zeros past its width and where there is no such row.
  __device__ void copy(const Heads& heads, int64_t row, bool there, Number* to) const {
    const void* from = there ? row_of(in, heads, b, h, row) : nullptr;
    for (int64_t d = lane; d < plan.width; d += kWarp)
      to[d] = from != nullptr && d < in.width ? load_element<format>(from, d) : Number(0.0f);
  }

  __device__ void read_queries() const {
#pragma unroll 1
    for (int r = 0; r < rows; ++r) {
      Number* to = shared + plan.queries + (warp * rows + r) * 2 * plan.width;
      copy(in.q, query(r), query(r) < in.queries, to);
      copy(in.dq, query(r), query(r) < in.queries, to + plan.width);
    }
  }

  __device__ void read_keys(int64_t start) const {
#pragma unroll 1
    for (int j = warp; j < kTileKeys; j += kAttentionWarps) {
      Number* to = shared + plan.keys + j * plan.key_stride;
      copy(in.k, start + j, start + j < in.keys, to);
      copy(in.dk, start + j, start + j < in.keys, to + kTileKeys * plan.key_stride);
    }
  }

  // s and ds of the warp's queries with the lane's key.
  __device__ void score(int64_t start) const {
    const Number* key = shared + plan.keys + lane * plan.key_stride;
    Number s[rows], ds[rows];
    for (int r = 0; r < rows; ++r) s[r] = ds[r] = Number(0.0f);
#pragma unroll 1
    for (int64_t d = 0; d < plan.width; d += 4) {
      const Four<Number> k = four_at(key + d), dk = four_at(key + kTileKeys * plan.key_stride + d);
      TAUJP_UNROLL
      for (int r = 0; r < rows; ++r) {
        const Four<Number> q = four_at(queries(r) + d), dq = four_at(queries(r) + plan.width + d);
        TAUJP_UNROLL
        for (int e = 0; e < 4; ++e) {
          s[r] = fma(q.at[e], k.at[e], s[r]);
          ds[r] = fma(dq.at[e], k.at[e], ds[r]);
          ds[r] = fma(q.at[e], dk.at[e], ds[r]);
        }
      }
    }
    if (start + lane >= in.keys) return;
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) {
      scores(r)[start + lane] = s[r];
      scores(r)[plan.score_stride + start + lane] = ds[r];
    }
  }

  // p and dp of the warp's queries; zeros where a query sees no key, and up to a whole four.
  __device__ void soften() const {
    constexpr Dtype inner = format == Dtype::f64 ? Dtype::f64 : Dtype::f32;
#pragma unroll 1
    for (int r = 0; r < rows; ++r) {
      if (query(r) >= in.queries) break;
      Number *p = scores(r), *dp = p + plan.score_stride;
      const int64_t seen = keys_seen(in, query(r));
      const auto mask = ElementRow<format>{seen}.of(row_of(in, in.mask, b, h, query(r)), 0);
      const WarpRow<inner> row{{seen}};
      softmax_tangent(row, p, dp, mask, static_cast<Number>(in.scale));
      for (int64_t j = seen + lane; j < plan.score_stride; j += kWarp) p[j] = dp[j] = Number(0.0f);
    }
    __syncwarp();
  }

  // Element `at` of the values' row `j`; zero past the ends and where there is none.
  __device__ Number value(const Heads& heads, int64_t j, int64_t at) const {
    if (heads.data == nullptr || j >= in.keys || at >= in.values) return Number(0.0f);
    return load_element<format>(row_of(in, heads, b, h, j), at);
  }

  // sum[r][c] += p v + dp dv of four keys from j on.
  __device__ void add_four(int64_t j, int64_t column, Number (&sum)[rows][2]) const {
    Number v[4][2], dv[4][2];
    TAUJP_UNROLL
    for (int e = 0; e < 8; ++e) {
      v[e / 2][e % 2] = value(in.v, j + e / 2, column + e % 2 * kWarp);
      dv[e / 2][e % 2] = value(in.dv, j + e / 2, column + e % 2 * kWarp);
    }
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) {
      const Four<Number> p = four_at(scores(r) + j),
                         dp = four_at(scores(r) + plan.score_stride + j);
      TAUJP_UNROLL
      for (int e = 0; e < 8; ++e) {
        sum[r][e % 2] = fma(dp.at[e / 2], v[e / 2][e % 2], sum[r][e % 2]);
        sum[r][e % 2] = fma(p.at[e / 2], dv[e / 2][e % 2], sum[r][e % 2]);
      }
    }
  }

  // The outputs' columns `column` and `column` + 32 of the warp's queries.
  __device__ void add_up(int64_t column) const {
    Number sum[rows][2];
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) sum[r][0] = sum[r][1] = Number(0.0f);
#pragma unroll 1
    for (int64_t j = 0; j < in.keys; j += 4) add_four(j, column, sum);
    TAUJP_UNROLL
    for (int r = 0; r < rows; ++r) TAUJP_UNROLL
    for (int c = 0; c < 2; ++c) {
      const int64_t row = (b * in.queries + query(r)) * in.heads + h, at = column + c * kWarp;
      if (query(r) < in.queries && at < in.values)
        store_element<format>(in.result, row * in.values + at, sum[r][c]);
    }
  }

  __device__ void run() const {
    read_queries();
#pragma unroll 1
    for (int64_t start = 0; start < in.keys; start += kTileKeys) {
      __syncthreads();
      read_keys(start);
      __syncthreads();
      score(start);
    }
    __syncwarp();
    soften();
#pragma unroll 1
    for (int64_t column = lane; column < in.values; column += 2 * kWarp) add_up(column);
  }
};

template <Dtype format, int rows>
__global__ void __launch_bounds__(kAttentionWarps* kWarp, 3)
    attention_kernel(const AttentionTangent in, int64_t blocks) {
  extern __shared__ __align__(16) unsigned char memory[];
  const int64_t head = blockIdx.x / blocks, block = blockIdx.x % blocks;
  const Block<format, rows> work{in,
                                 plan_block(in, rows),
                                 reinterpret_cast<NumberOf<format>*>(memory),
                                 head / in.heads,
                                 head % in.heads,
                                 block * rows * kAttentionWarps,
                                 static_cast<int>(threadIdx.x % kWarp),
                                 static_cast<int>(threadIdx.x / kWarp)};
  work.run();
}

}  // namespace taujp
