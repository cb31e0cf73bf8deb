// Puts the kernels in order: tables to the device, statistics where the recipe asks for them, then
// the fold. Every step is a launch on torch's current stream.
#pragma once
#include "core/make_run.h"
#include "core/sieves.h"
#include "cuda/kernels.h"
#include "cuda/survey_kernels.h"
#include "cuda/table.h"

namespace taujp {

inline int blocks_for(int64_t items) { return static_cast<int>((items + kThreads - 1) / kThreads); }

inline void check_launch(const char* what) { check_cuda(cudaGetLastError(), what); }

// The device's copy of a batch: one Run a parameter, whose pointers lie in the same table.
struct DeviceBatch {
  int checkpoints = 0;
  int64_t parameters = 0;
  std::vector<Tile> tiles;
  Table table;
  Run* runs = nullptr;
  Tile* device_tiles = nullptr;
  Sieve* sieves = nullptr;
  float* coefs = nullptr;  // [P, K, N]
};

inline DeviceBatch send_batch(const Recipe& recipe, const std::vector<Parameter>& parameters,
                              const Tensor& like, cudaStream_t stream) {
  const size_t p = parameters.size(), n = recipe.checkpoints, k = recipe.results;
  DeviceBatch batch;
  batch.checkpoints = recipe.checkpoints;
  batch.parameters = p;
  batch.tiles = cut_tiles(parameters, kCudaTile);
  Table& table = batch.table;
  const size_t runs = table.reserve<Run>(p), tiles = table.reserve<Tile>(batch.tiles.size());
  const size_t sources = table.reserve<Source>(p * n), targets = table.reserve<Target>(p * k);
  const size_t coefs = table.reserve<float>(p * k * n), lambdas = table.reserve<float>(k);
  const size_t sieves = table.reserve<Sieve>(p * n);
  table.allocate(like);
  batch.runs = table.on_device<Run>(runs);
  batch.device_tiles = table.fill(tiles, batch.tiles.data(), batch.tiles.size());
  batch.sieves = table.on_device<Sieve>(sieves);
  batch.coefs = table.on_device<float>(coefs);
  const bool sparse = recipe.sparsifier != Sparsifier::none;
  for (size_t q = 0; q < p; ++q) {
    Parameter here = parameters[q];
    here.sources = table.fill(sources + q * n * sizeof(Source), parameters[q].sources, n);
    if (parameters[q].targets != nullptr)
      here.targets = table.fill(targets + q * k * sizeof(Target), parameters[q].targets, k);
    here.coefs = table.fill(coefs + q * k * n * sizeof(float), parameters[q].coefs, k * n);
    Run run =
        make_run(recipe, here, 0, here.size, sparse ? batch.sieves + q * n : nullptr, nullptr);
    run.lambda = table.on_device<float>(lambdas);
    table.fill(runs + q * sizeof(Run), &run, 1);
    std::vector<Sieve> own(n);
    if (recipe.sparsifier == Sparsifier::random) own = coin_sieves(recipe, parameters[q]);
    for (size_t i = 0; i < n; ++i)
      if (recipe.sparsifier == Sparsifier::magnitude)
        own[i].scale = density_scale(recipe, static_cast<int>(i));
    table.fill(sieves + q * n * sizeof(Sieve), own.data(), n);
  }
  table.fill(lambdas, recipe.lambda.data(), k);
  table.send(stream);
  return batch;
}

// The wanted ranks of variances, once it is known how many elements have any.
inline void count_varied(const Recipe& recipe, size_t parameters, const DeviceBatch& batch,
                         RankSearch* searches, const Tensor& like, cudaStream_t stream) {
  const Tensor varied = zeros(like, parameters * sizeof(unsigned long long));
  auto* counts = static_cast<unsigned long long*>(varied.mutable_data_ptr());
  varied_kernel<<<static_cast<unsigned>(batch.tiles.size()), kThreads, 0, stream>>>(
      batch.runs, batch.device_tiles, counts);
  wanted_kernel<<<blocks_for(parameters), kThreads, 0, stream>>>(
      searches, static_cast<int>(parameters), recipe.density[0], counts);
  check_launch("counting variances");
}

// Which parameters are ranked together: each by itself, or all of them.
struct Grouping {
  std::vector<int64_t> group_of, offsets;  // of each parameter
  std::vector<int64_t> elements;           // of each group
  std::vector<GroupOfTiles> tiles;         // of each group
};

inline Grouping group_parameters(const std::vector<Parameter>& parameters,
                                 const std::vector<Tile>& tiles, bool over_model) {
  Grouping grouping;
  for (const Parameter& parameter : parameters) {
    if (grouping.elements.empty() || !over_model) grouping.elements.push_back(0);
    grouping.group_of.push_back(static_cast<int64_t>(grouping.elements.size()) - 1);
    grouping.offsets.push_back(grouping.elements.back());
    grouping.elements.back() += parameter.size;
  }
  grouping.tiles.assign(grouping.elements.size(), {0, 0});
  for (size_t t = 0; t < tiles.size(); ++t) {
    GroupOfTiles& group = grouping.tiles[grouping.group_of[tiles[t].parameter]];
    if (group.end_tile == 0) group.first_tile = static_cast<int64_t>(t);
    group.end_tile = static_cast<int64_t>(t) + 1;
  }
  return grouping;
}

// The searches of every group's measures, in their order.
inline std::vector<RankSearch> searches_of(const Recipe& recipe, const Grouping& grouping) {
  std::vector<RankSearch> searches;
  for (int64_t elements : grouping.elements) {
    std::vector<RankSearch> own = rank_searches(recipe, elements);
    if (recipe.sparsifier == Sparsifier::variance) own.resize(1);
    if (recipe.sparsifier == Sparsifier::importance)
      own.assign(recipe.checkpoints, quartile_search(elements));
    searches.insert(searches.end(), own.begin(), own.end());
  }
  return searches;
}

// Fills the batch's sieves with the windows of ranks: core/windows.h, core/selections.h.
inline void find_windows(const Recipe& recipe, const std::vector<Parameter>& parameters,
                         const DeviceBatch& batch, const Tensor& like, cudaStream_t stream) {
  const Grouping grouping = group_parameters(parameters, batch.tiles, recipe.over_model);
  const int n = recipe.checkpoints, measures = measures_of(recipe);
  const int groups = static_cast<int>(grouping.elements.size());
  const std::vector<RankSearch> searches = searches_of(recipe, grouping);
  const int ranks = searches[0].ranks, count = static_cast<int>(searches.size());
  Table table;
  const size_t search_at = table.reserve<RankSearch>(count),
               group_at = table.reserve<int64_t>(parameters.size());
  const size_t offset_at = table.reserve<int64_t>(parameters.size()),
               tile_at = table.reserve<GroupOfTiles>(groups);
  table.allocate(like);
  RankSearch* device_searches = table.fill(search_at, searches.data(), count);
  const int64_t* group_of = table.fill(group_at, grouping.group_of.data(), parameters.size());
  const int64_t* offsets = table.fill(offset_at, grouping.offsets.data(), parameters.size());
  const GroupOfTiles* group_tiles = table.fill(tile_at, grouping.tiles.data(), groups);
  table.send(stream);
  if (recipe.sparsifier == Sparsifier::variance)
    count_varied(recipe, parameters.size(), batch, device_searches, like, stream);
  const Tensor histograms = zeros(like, count * ranks * kDigits * sizeof(unsigned long long));
  const Tensor equal = zeros(like, batch.tiles.size() * measures * kRanks * sizeof(int));
  const Tensor above = zeros(like, count * kRanks * sizeof(Above));
  auto* counted = static_cast<unsigned long long*>(histograms.mutable_data_ptr());
  const dim3 grid(static_cast<unsigned>(batch.tiles.size()), measures);
  for (int round = 0; round < 3; ++round) {
    digits_kernel<<<grid, kThreads, 0, stream>>>(batch.runs, batch.device_tiles, group_of,
                                                 device_searches, counted);
    advance_kernel<<<blocks_for(count), kThreads, 0, stream>>>(device_searches, count, counted);
  }
  equal_kernel<<<grid, kThreads, 0, stream>>>(batch.runs, batch.device_tiles, group_of,
                                              device_searches,
                                              static_cast<int*>(equal.mutable_data_ptr()));
  cut_kernel<<<blocks_for(count * kRanks), kThreads, 0, stream>>>(
      batch.runs, batch.device_tiles, group_tiles, groups, measures, device_searches,
      static_cast<const int*>(equal.const_data_ptr()),
      static_cast<Above*>(above.mutable_data_ptr()));
  const int cells = static_cast<int>(batch.parameters) * n;
  sieve_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(
      group_of, offsets, cells, n, measures, ranks,
      static_cast<const Above*>(above.const_data_ptr()), batch.sieves);
  check_launch("ranking");
}

// core/rescale.h's rescale_l1 for all parameters.
inline void rescale_by_l1(const std::vector<Parameter>& parameters, const DeviceBatch& batch,
                          const Tensor& like, cudaStream_t stream) {
  const Grouping grouping = group_parameters(parameters, batch.tiles, false);
  Table table;
  const size_t tile_at = table.reserve<GroupOfTiles>(grouping.tiles.size());
  table.allocate(like);
  const GroupOfTiles* ranges = table.fill(tile_at, grouping.tiles.data(), grouping.tiles.size());
  table.send(stream);
  const Tensor sums = zeros(like, batch.tiles.size() * batch.checkpoints * 2 * sizeof(double));
  auto* added = static_cast<double*>(sums.mutable_data_ptr());
  const dim3 grid(static_cast<unsigned>(batch.tiles.size()), batch.checkpoints);
  magnitudes_kernel<<<grid, 32, 0, stream>>>(batch.runs, batch.device_tiles, added);
  const int cells = static_cast<int>(batch.parameters) * batch.checkpoints;
  rescale_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(ranges, cells, batch.checkpoints,
                                                             added, batch.sieves);
  check_launch("rescaling by the L1 norm");
}

struct LaunchMerge {
  const DeviceBatch& batch;
  int8_t* faults;
  cudaStream_t stream;

  template <class Steps, template <class, class> class Formula>
  void run() {
    merge_kernel<Steps, Formula>
        <<<static_cast<unsigned>(batch.tiles.size()), kThreads, 0, stream>>>(
            batch.runs, batch.device_tiles, faults);
  }
};

}  // namespace taujp
