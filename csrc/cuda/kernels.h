// The CUDA kernels of the merge. A block works on one tile (kCudaTile elements of one parameter); a
// thread on elements kThreads apart, so that neighbours read neighbours. What is done with an
// element is core/element.h's, which the host tests as the level "scalar".
#pragma once
#include "core/element_statistics.h"
#include "core/rank.h"
#include "core/rescale.h"
#include "core/sieves.h"
#include "core/tiles.h"

namespace taujp {

constexpr int kThreads = 256;
constexpr int64_t kCudaTile = kSumBlock;

template <class Steps, template <class, class> class Formula>
__global__ void __launch_bounds__(kThreads, 2)
    merge_kernel(const Run* runs, const Tile* tiles, int8_t* faults) {
  const Tile tile = tiles[blockIdx.x];
  const Run run = runs[tile.parameter];
  float poison = 0.0f;
  for (int64_t j = tile.begin + threadIdx.x; j < tile.end; j += kThreads)
    poison += merge_at<Steps, Formula>(run, j);
  if (poison != 0.0f) faults[tile.parameter] = 1;
}

// histograms [group][measures][ranks][kDigits]; blockIdx.y is the measure.
__global__ void __launch_bounds__(kThreads, 4)
    digits_kernel(const Run* runs, const Tile* tiles, const int64_t* groups,
                  const RankSearch* searches, unsigned long long* histograms) {
  __shared__ unsigned counted[kRanks * kDigits];
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int i = blockIdx.y;
  const RankSearch& search = searches[groups[tile.parameter] * gridDim.y + i];
  const int counts = search.query.round == 0 ? 1 : search.ranks;
  for (int cell = threadIdx.x; cell < counts * kDigits; cell += kThreads) counted[cell] = 0;
  __syncthreads();
  for (int64_t j = tile.begin + threadIdx.x; j < tile.end; j += kThreads) {
    const float measure = measure_at(run, i, j);
    for (int rank = 0; rank < counts; ++rank) {
      const int digit = digit_of(measure, search.query, rank);
      if (digit >= 0) atomicAdd(&counted[rank * kDigits + digit], 1u);
    }
  }
  __syncthreads();
  unsigned long long* histogram =
      histograms + (groups[tile.parameter] * gridDim.y + i) * search.ranks * kDigits;
  for (int cell = threadIdx.x; cell < counts * kDigits; cell += kThreads)
    if (counted[cell] > 0)
      atomicAdd(&histogram[cell], static_cast<unsigned long long>(counted[cell]));
}

// One thread a search: reads its histograms, steps on, and clears them for the next round.
__global__ void advance_kernel(RankSearch* searches, int count, unsigned long long* histograms) {
  const int s = blockIdx.x * blockDim.x + threadIdx.x;
  if (s >= count) return;
  unsigned long long* histogram =
      histograms + static_cast<int64_t>(s) * searches[s].ranks * kDigits;
  searches[s].advance(histogram);
  for (int cell = 0; cell < searches[s].ranks * kDigits; ++cell) histogram[cell] = 0;
}

// equal [tile][measures][kRanks]: how many elements of the tile are exactly at each threshold.
__global__ void __launch_bounds__(kThreads, 4)
    equal_kernel(const Run* runs, const Tile* tiles, const int64_t* groups,
                 const RankSearch* searches, int* equal) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int i = blockIdx.y;
  const RankSearch& search = searches[groups[tile.parameter] * gridDim.y + i];
  int found[kRanks] = {};
  for (int64_t j = tile.begin + threadIdx.x; j < tile.end; j += kThreads) {
    const uint32_t bits = magnitude_bits(measure_at(run, i, j));
    TAUJP_UNROLL
    for (int rank = 0; rank < kRanks; ++rank) found[rank] += bits == search.query.prefix[rank];
  }
  int* cell = equal + (static_cast<int64_t>(blockIdx.x) * gridDim.y + i) * kRanks;
  TAUJP_UNROLL
  for (int rank = 0; rank < kRanks; ++rank)
    if (rank < search.ranks && found[rank] > 0) atomicAdd(&cell[rank], found[rank]);
}

struct GroupOfTiles {
  int64_t first_tile, end_tile;
};

// One thread a (group, measure, rank): walks the tiles' counts to the tile that holds the last
// of the equal elements that stay, then that tile's elements.
__global__ void cut_kernel(const Run* runs, const Tile* tiles, const GroupOfTiles* groups,
                           int group_count, int measures, const RankSearch* searches,
                           const int* equal, Above* above) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= group_count * measures * kRanks) return;
  const int rank = cell % kRanks, i = cell / kRanks % measures, group = cell / kRanks / measures;
  const RankSearch& search = searches[group * measures + i];
  if (rank >= search.ranks) return;
  int64_t kept = search.equals_kept[rank];
  above[cell] = {search.query.prefix[rank], kept < 0 ? INT64_MAX : 0};
  if (kept <= 0) return;
  int64_t t = groups[group].first_tile;
  for (; equal[(t * measures + i) * kRanks + rank] < kept; ++t)
    kept -= equal[(t * measures + i) * kRanks + rank];
  const Tile tile = tiles[t];
  int64_t j = tile.begin;
  for (; kept > 0; ++j)
    kept -= magnitude_bits(measure_at(runs[tile.parameter], i, j)) == search.query.prefix[rank];
  above[cell].cut = tile.before - tiles[groups[group].first_tile].before + j - tile.begin;
}

// sieves [P][N] from the thresholds of each parameter's group; offsets: elements before it there.
// Of variances there is one for all checkpoints; of importances three quartiles.
__global__ void sieve_kernel(const int64_t* groups, const int64_t* offsets, int cells,
                             int checkpoints, int measures, int ranks, const Above* above,
                             Sieve* sieves) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= cells) return;
  const int p = cell / checkpoints, i = cell % checkpoints;
  const int64_t measure = groups[p] * measures + (i < measures ? i : 0);
  const Above* found = above + measure * kRanks;
  if (ranks == 3) {
    sieves[cell].keep = above_fence(found[0].bits, found[1].bits, found[2].bits);
    return;
  }
  const auto shifted = [&](Above one) {
    if (one.cut != INT64_MAX) one.cut -= offsets[p];
    return one;
  };
  sieves[cell].keep = shifted(found[0]);
  if (ranks == 2) sieves[cell].skip = shifted(found[1]);
}

// sums [tile][N][2]: sum abs(tau) before and after the sieve, one warp a (tile, checkpoint): 16
// accumulators each, added as core/sums.h does.
__global__ void magnitudes_kernel(const Run* runs, const Tile* tiles, double* sums) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int i = blockIdx.y, lane = threadIdx.x % 16;
  const bool after = threadIdx.x >= 16;
  double sum = lane_sum(tile.begin, tile.end, lane, [&](int64_t j) {
    return static_cast<double>(absolute(after ? survivor_at(run, i, j) : tau_as_asked(run, i, j)));
  });
  for (int half = 8; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half, 16);
  if (lane == 0) sums[(static_cast<int64_t>(blockIdx.x) * run.checkpoints + i) * 2 + after] = sum;
}

__global__ void rescale_kernel(const GroupOfTiles* parameters, int cells, int checkpoints,
                               const double* sums, Sieve* sieves) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= cells) return;
  const int p = cell / checkpoints, i = cell % checkpoints;
  double before = 0, after = 0;
  for (int64_t t = parameters[p].first_tile; t < parameters[p].end_tile; ++t) {
    before += sums[(t * checkpoints + i) * 2];
    after += sums[(t * checkpoints + i) * 2 + 1];
  }
  sieves[cell].scale = scale_of_norms(before, after);
}

// parts [tile][left * K]: products of combined rows, one half-warp a pair, kRow elements at a time.
__global__ void products_kernel(const Run* runs, const Tile* tiles, int left, double* parts) {
  const Tile tile = tiles[blockIdx.x];
  const Run& run = runs[tile.parameter];
  const int lane = threadIdx.x % 16, cells = left * run.results;
  // Whole warps stay together in the shuffles; a half without a pair adds zeros.
  for (int start = threadIdx.x / 32 * 2; start < cells; start += blockDim.x / 16) {
    const int cell = start + threadIdx.x / 16 % 2, a = cell / run.results, b = cell % run.results;
    const bool mine = cell < cells && b >= a;
    double total = 0;
    for (int64_t first = tile.begin; first < tile.end; first += kRow) {
      const int64_t end = first + kRow < tile.end ? first + kRow : tile.end;
      double sum = !mine ? 0.0 : lane_sum(first, end, lane, [&](int64_t j) {
        return static_cast<double>(combined_at(run, a, j)) * combined_at(run, b, j);
      });
      for (int half = 8; half > 0; half /= 2) sum += __shfl_down_sync(0xffffffffu, sum, half, 16);
      total += sum;
    }
    if (mine && lane == 0) parts[static_cast<int64_t>(blockIdx.x) * cells + cell] = total;
  }
}

__global__ void add_parts_kernel(const double* parts, int64_t tiles, int cells, double* sums) {
  const int cell = blockIdx.x * blockDim.x + threadIdx.x;
  if (cell >= cells) return;
  double sum = 0;
  for (int64_t t = 0; t < tiles; ++t) sum += parts[t * cells + cell];
  sums[cell] = sum;
}

}  // namespace taujp
