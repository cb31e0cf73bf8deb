// The CUDA kernels of what is found out about whole parameters: variances that are not 0, rows'
// divergences, weights, thinned rows. The host's side is core/statistics.h; what is done with an
// element is core/element.h's.
#pragma once
#include "core/weights.h"
#include "cuda/kernels.h"

namespace taujp {

// The sum of a half-warp's 16 accumulators, added as core/sums.h does; right in its first lane.
__device__ inline double added(double sum) {
  for (int half = 8; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half, 16);
  return sum;
}

__device__ inline float largest_of_half(float x) {
  for (int half = 8; half > 0; half /= 2) x = larger(__shfl_xor_sync(0xffffffffu, x, half, 16), x);
  return x;
}

// counts [P]: elements whose variance is not 0.
__global__ void __launch_bounds__(kThreads)
    varied_kernel(const Run* runs, const Tile* tiles, unsigned long long* counts) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  unsigned long long found = 0;
  for (int64_t j = tile.begin + threadIdx.x; j < tile.end; j += kThreads)
    found += variance_at(run, j) != 0.0f;
  if (found > 0) atomicAdd(&counts[tile.parameter], found);
}

__global__ void wanted_kernel(RankSearch* searches, int count, double density,
                              const unsigned long long* varied) {
  const int p = blockIdx.x * blockDim.x + threadIdx.x;
  if (p < count)
    searches[p].wanted[0] = static_cast<int64_t>(density * static_cast<double>(varied[p]));
}

// factors [N, rows] of one parameter, a half-warp a row; blockIdx.y is the checkpoint. Halves
// without a row of their own repeat the last, so that whole warps stay together in the shuffles.
__global__ void __launch_bounds__(kThreads) divergences_kernel(const Run* one, float* factors) {
  const Run& run = *one;
  const int lane = threadIdx.x % 16, i = blockIdx.y;
  const int64_t wanted = static_cast<int64_t>(blockIdx.x) * (kThreads / 16) + threadIdx.x / 16;
  const int64_t row = wanted < run.rows ? wanted : run.rows - 1;
  const int64_t begin = row * run.row, end = begin + run.row;
  RowLargest largest = largest_of_row(run, i, begin + lane, end, 16);
  largest = {largest_of_half(largest.old), largest_of_half(largest.now),
             largest_of_half(largest.change)};
  const auto sum = [&](auto term) {
    return __shfl_sync(0xffffffffu, added(lane_sum(begin, end, lane, term)), 0, 16);
  };
  const double old = sum([&](int64_t j) { return weights_at(run, i, j, largest).old; });
  const double second = sum([&](int64_t j) { return weights_at(run, i, j, largest).second; });
  const RowSums sums = row_sums(old, second, largest);
  const double all = sum([&](int64_t j) { return divergence_at(run, i, j, largest, sums); });
  if (lane == 0 && wanted < run.rows) factors[i * run.rows + row] = static_cast<float>(all);
}

// parts [tile][N]: sum tau_i^2 of what survives, kRow elements at a time; a half-warp a pair.
__global__ void squares_kernel(const Run* runs, const Tile* tiles, double* parts) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int lane = threadIdx.x % 16, n = run.checkpoints;
  for (int start = threadIdx.x / 32 * 2; start < n; start += blockDim.x / 16) {
    const int wanted = start + threadIdx.x / 16 % 2, i = wanted < n ? wanted : n - 1;
    double total = 0;
    for (int64_t first = tile.begin; first < tile.end; first += kRow) {
      const int64_t end = first + kRow < tile.end ? first + kRow : tile.end;
      total += added(lane_sum(first, end, lane, [&](int64_t j) {
        const double tau = survivor_at(run, i, j);
        return tau * tau;
      }));
    }
    if (lane == 0 && wanted < n) parts[static_cast<int64_t>(blockIdx.x) * n + i] = total;
  }
}

// counts [P][2, N]: elements that were changed, and by one alone.
__global__ void __launch_bounds__(kThreads, 4)
    changes_kernel(const Run* runs, const Tile* tiles, float least, unsigned long long* counts) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int n = run.checkpoints;
  unsigned long long* mine = counts + tile.parameter * 2 * n;
  for (int64_t j = tile.begin + threadIdx.x; j < tile.end; j += kThreads) {
    int sharers = 0;
    for (int i = 0; i < n; ++i) sharers += absolute(survivor_at(run, i, j)) > least;
    for (int i = 0; i < n && sharers > 0; ++i) {
      if (!(absolute(survivor_at(run, i, j)) > least)) continue;
      atomicAdd(&mine[i], 1ull);
      if (sharers == 1) atomicAdd(&mine[n + i], 1ull);
    }
  }
}

// One thread a parameter: adds its tiles' squares in their order and weighs its coefs [K, N].
__global__ void weigh_squares_kernel(const GroupOfTiles* parameters, int count, int n, int results,
                                     const double* parts, double* squares, float* coefs) {
  const int p = blockIdx.x * blockDim.x + threadIdx.x;
  if (p >= count) return;
  for (int64_t t = parameters[p].first_tile; t < parameters[p].end_tile; ++t)
    for (int i = 0; i < n; ++i) squares[p * n + i] += parts[t * n + i];
  for (int cell = 0; cell < results * n; ++cell) {
    float& coef = coefs[static_cast<int64_t>(p) * results * n + cell];
    coef = static_cast<float>(coef * share_of_squares(squares + p * n, n, cell % n));
  }
}

__global__ void weigh_changes_kernel(int count, int n, int results, double ratio, double most,
                                     const unsigned long long* counts, float* coefs) {
  const int p = blockIdx.x * blockDim.x + threadIdx.x;
  if (p >= count) return;
  const unsigned long long* mine = counts + static_cast<int64_t>(p) * 2 * n;
  for (int cell = 0; cell < results * n; ++cell) {
    float& coef = coefs[static_cast<int64_t>(p) * results * n + cell];
    const int i = cell % n;
    coef = static_cast<float>(coef * factor_of_changes(mine[i], mine[n + i], ratio, most));
  }
}

// taus [N, size] of one parameter as fp32; blockIdx.y is the checkpoint.
__global__ void __launch_bounds__(kThreads)
    read_kernel(const Run* one, int64_t size, float* taus, int8_t* faults) {
  const Run& run = *one;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= size) return;
  const float x = load(run.sources[blockIdx.y], j);
  const float poison = x * 0.0f + (run.subtract_base ? load(run.base, j) * 0.0f : 0.0f);
  if (poison != 0.0f) *faults = 1;
  taus[blockIdx.y * size + j] = tau_as_asked(run, blockIdx.y, j);
}

TAUJP_INLINE float thinned_as_asked(const Run& run, const float* row, int64_t j, int64_t index,
                                    const uint32_t* limits, const float* scales, uint64_t key) {
  switch (run.rounding) {
    case Rounding::f16:
      return thinned_at<Stepwise<Dtype::f16>>(row, run.row, j, index, limits, scales, key);
    case Rounding::bf16:
      return thinned_at<Stepwise<Dtype::bf16>>(row, run.row, j, index, limits, scales, key);
    default: return thinned_at<Exact>(row, run.row, j, index, limits, scales, key);
  }
}

// By what one checkpoint is thinned; no limits: not at all.
struct DeviceOdds {
  const uint32_t* limits;
  const float* scales;
  uint64_t key;
};

// thinned [N, size] from taus: every thread counts the rank of its element over the whole row.
__global__ void __launch_bounds__(kThreads)
    thin_kernel(const Run* one, int64_t size, const DeviceOdds* odds, const float* taus,
                float* thinned) {
  const Run& run = *one;
  const int64_t j = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  if (j >= size) return;
  const DeviceOdds& by = odds[blockIdx.y];
  const float* row = taus + blockIdx.y * size + j / run.row * run.row;
  thinned[blockIdx.y * size + j] =
      by.limits == nullptr
          ? row[j % run.row]
          : thinned_as_asked(run, row, j % run.row, run.first + j, by.limits, by.scales, by.key);
}

// norms [rows][before, after][N]: sums of magnitudes of a row of taus and of thinned.
__global__ void __launch_bounds__(kThreads)
    row_norms_kernel(int64_t rows, int64_t length, const float* taus, const float* thinned,
                     double* norms) {
  const int lane = threadIdx.x % 16, i = blockIdx.y, n = gridDim.y;
  const int64_t wanted = static_cast<int64_t>(blockIdx.x) * (kThreads / 16) + threadIdx.x / 16;
  const int64_t row = wanted < rows ? wanted : rows - 1, begin = (i * rows + row) * length;
  const auto norm = [&](const float* x) {
    return added(lane_sum(begin, begin + length, lane, [&](int64_t j) { return absolute(x[j]); }));
  };
  const double before = norm(taus), after = norm(thinned);
  if (lane > 0 || wanted >= rows) return;
  norms[row * 2 * n + i] = before;
  norms[row * 2 * n + n + i] = after;
}

// One thread a checkpoint: adds the rows in their order.
__global__ void thinned_scales_kernel(int64_t rows, int n, const double* norms, Sieve* sieves) {
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  double before = 0, after = 0;
  for (int64_t row = 0; row < rows; ++row) {
    before += norms[row * 2 * n + i];
    after += norms[row * 2 * n + n + i];
  }
  sieves[i].scale = scale_of_norms(before, after);
}

}  // namespace taujp
