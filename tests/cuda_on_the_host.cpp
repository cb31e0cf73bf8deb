// Runs the tangents' CUDA kernels on host threads, a thread a CUDA thread, and compares their bits
// with the level "scalar". Shared memory starts as NaN. test_tangent_kernels_emulated.py builds it.
#include <pthread.h>

#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#define __device__
#define __global__ static
#define __shared__
#define __align__(bytes) __attribute__((aligned(bytes)))
#define __launch_bounds__(...)

struct Index {
  unsigned x;
};
static thread_local Index threadIdx, blockIdx;
static pthread_barrier_t whole_block, warps[8];
static double exchanged[8][32];

static void __syncthreads() { pthread_barrier_wait(&whole_block); }
static void __syncwarp() { pthread_barrier_wait(&warps[threadIdx.x / 32]); }

template <class Number>
static Number __shfl_xor_sync(unsigned, Number x, int half) {
  double* lanes = exchanged[threadIdx.x / 32];
  const int lane = threadIdx.x % 32;
  lanes[lane] = x;
  __syncwarp();
  const Number other = static_cast<Number>(lanes[lane ^ half]);
  __syncwarp();
  return other;
}

namespace taujp {
unsigned char memory[1 << 18] __attribute__((aligned(64)));  // a block's shared memory
}

#include "cuda/attention_kernel.h"
#include "tangent/rows.h"
#include "tangent/tangent_level.h"

using namespace taujp;

template <class Kernel>
static void launch(unsigned blocks, unsigned threads, Kernel kernel) {
  pthread_barrier_init(&whole_block, nullptr, threads);
  for (unsigned warp = 0; warp < threads / 32; ++warp)
    pthread_barrier_init(&warps[warp], nullptr, 32);
  for (unsigned block = 0; block < blocks; ++block) {
    memset(memory, 0xff, sizeof memory);
    std::vector<std::thread> running;
    for (unsigned thread = 0; thread < threads; ++thread)
      running.emplace_back([=] {
        threadIdx.x = thread;
        blockIdx.x = block;
        kernel();
      });
    for (std::thread& thread : running) thread.join();
  }
}

template <Dtype format>
static std::vector<char> random_numbers(int64_t count, unsigned seed) {
  std::mt19937 generator(seed);
  std::uniform_real_distribution<float> draw(-2, 2);
  std::vector<char> numbers(count * bytes_of(format));
  for (int64_t i = 0; i < count; ++i) store_element<format>(numbers.data(), i, draw(generator));
  return numbers;
}

static int differing = 0;

static void compare(const char* what, const std::vector<char>& found,
                    const std::vector<char>& expected) {
  const bool same = found == expected;
  differing += !same;
  std::printf("%s: %s\n", what, same ? "the same bits" : "DIFFERENT");
}

// One head count, packed as [rows, heads, width].
template <Dtype format, int rows>
static void attention(int64_t queries, int64_t keys, int64_t width, int64_t values, bool causal,
                      bool masked) {
  constexpr int64_t heads = 2;
  AttentionTangent in{};
  in.batch = 1, in.heads = heads, in.queries = queries, in.keys = keys;
  in.width = width, in.values = values, in.scale = 0.3, in.causal = causal, in.dtype = format;
  std::vector<std::vector<char>> kept;
  const auto draw = [&](int64_t count, int64_t each) {
    kept.push_back(random_numbers<format>(count * heads * each, kept.size()));
    return Heads{kept.back().data(), 0, each, heads * each};
  };
  in.q = draw(queries, width), in.k = draw(keys, width), in.v = draw(keys, values);
  in.dq = draw(queries, width), in.dv = draw(keys, values);
  if (!causal) in.dk = draw(keys, width);  // else none
  if (masked) {
    in.mask = draw(queries, keys);
    for (int64_t i = 0; i < queries * heads * keys; i += 3)
      store_element<format>(kept.back().data(), i, -INFINITY);
  }
  const TangentLevel& host = tangent_level_scalar();
  std::vector<char> here(queries * heads * values * bytes_of(format)), there(here.size(), 1);
  std::vector<char> scratch(host.attention_scratch(in));
  in.result = here.data();
  host.attention_tangent(in, 0, heads, scratch.data());
  in.result = there.data();
  const int64_t a_block = rows * kAttentionWarps, blocks = (queries + a_block - 1) / a_block;
  launch(static_cast<unsigned>(blocks * heads), kAttentionWarps * kWarp,
         [=] { attention_kernel<format, rows>(in, blocks); });
  compare("attention", there, here);
}

template <class Call, class Loop>
static void by_warps(const char* what, Call call, void* Call::* result, int64_t bytes,
                     int64_t items, void (*host)(const Call&, int64_t, int64_t), Loop loop) {
  std::vector<char> here(bytes), there(bytes, 1);
  call.*result = here.data();
  host(call, 0, items);
  call.*result = there.data();
  launch(static_cast<unsigned>(items), kWarp, [=] { loop(call, blockIdx.x, blockIdx.x + 1); });
  compare(what, there, here);
}

static void rows() {
  using Loops = RowLoops<WarpRow>;
  const TangentLevel& host = tangent_level_scalar();
  const int64_t count = 4, width = 100, bytes = count * width * 4;
  const auto x = random_numbers<Dtype::f32>(count * width, 1);
  const auto dx = random_numbers<Dtype::f32>(count * width, 2);
  LayerNormTangent norm{x.data(), dx.data(), dx.data(), x.data(), x.data(),
                        nullptr,  dx.data(), nullptr,   width,    Dtype::f32};
  by_warps("layer norm", norm, &LayerNormTangent::dy, bytes, count, host.layer_norm_tangent,
           Loops::layer_norm_tangent<Dtype::f32>);
  RowNorm length{x.data(), x.data(), dx.data(), nullptr, width, Dtype::f32};
  by_warps("row norm", length, &RowNorm::result, count * 4, count, host.row_norm,
           Loops::row_norm<Dtype::f32>);
  by_warps("row norm's gradient", length, &RowNorm::result, bytes, count, host.row_norm_grad,
           Loops::row_norm_grad<Dtype::f32>);
  const int64_t labels[count] = {3, 99, 0, -1};
  RiskRows risk{x.data(), labels, dx.data(), nullptr, nullptr, nullptr, nullptr, nullptr,
                count,    width,  2,         false,   Dtype::f32};
  std::vector<char> slopes(2 * count * 4), losses(slopes.size());
  risk.slope = slopes.data();
  by_warps("risks of rows", risk, &RiskRows::loss, 2 * count * 4, count, host.risk_rows,
           Loops::risk_rows<Dtype::f32>);
  risk.loss = losses.data();
  host.risk_rows(risk, 0, count);
  by_warps("slopes of rows", risk, &RiskRows::slope, 2 * count * 4, count, host.risk_rows,
           Loops::risk_rows<Dtype::f32>);
  risk.slope = slopes.data();
  risk.grad_loss = x.data(), risk.grad_slope = dx.data();
  by_warps("risks' gradient", risk, &RiskRows::grad_logits, bytes, count, host.risk_rows_grad,
           Loops::risk_rows_grad<Dtype::f32>);
  for (Approximate kind : {Approximate::erf, Approximate::tanh, Approximate::quick}) {
    GeluTangent gelu{x.data(), dx.data(), nullptr, Dtype::f32, kind};
    by_warps("GELU", gelu, &GeluTangent::dy, 64 * 4, 64, host.gelu_tangent,
             Loops::gelu_tangent<Dtype::f32>);
  }
}

int main() {
  attention<Dtype::f32, 8>(50, 50, 64, 64, false, false);
  attention<Dtype::f32, 4>(13, 37, 20, 36, true, true);
  attention<Dtype::f32, 1>(3, 33, 7, 5, false, true);
  attention<Dtype::bf16, 2>(9, 70, 80, 96, true, false);
  attention<Dtype::f16, 8>(33, 31, 32, 130, false, true);
  attention<Dtype::f64, 4>(5, 40, 6, 6, true, true);
  attention<Dtype::f32, 8>(1, 1, 1, 1, false, false);
  rows();
  return differing;
}
