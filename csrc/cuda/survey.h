// The launches of cuda/survey_kernels.h: see core/statistics.h for what they find out.
#pragma once
#include "core/thinned.h"
#include "cuda/merge.h"

namespace taujp {

// Device memory for the factors of rows; parameters are told where theirs will be.
inline Tensor room_for_factors(const Recipe& recipe, std::vector<Parameter>& parameters,
                               const Tensor& like) {
  std::vector<int64_t> offsets;
  int64_t floats = 0;
  for (const Parameter& parameter : parameters) {
    offsets.push_back(floats);
    if (parameter.size > 0) floats += recipe.checkpoints * (parameter.size / parameter.row);
  }
  Tensor factors = zeros(like, floats * sizeof(float));
  for (size_t p = 0; p < parameters.size(); ++p) {
    parameters[p].factors = static_cast<float*>(factors.mutable_data_ptr()) + offsets[p];
    if (parameters[p].size > 0) parameters[p].rows = parameters[p].size / parameters[p].row;
  }
  return factors;
}

inline void find_divergences(const Recipe& recipe, const std::vector<Parameter>& parameters,
                             const DeviceBatch& batch, cudaStream_t stream) {
  constexpr int64_t rows_a_block = kThreads / 16;
  for (size_t p = 0; p < parameters.size(); ++p) {
    if (parameters[p].size == 0) continue;
    const int64_t rows = parameters[p].size / parameters[p].row;
    const dim3 grid(static_cast<unsigned>((rows + rows_a_block - 1) / rows_a_block),
                    recipe.checkpoints);
    divergences_kernel<<<grid, kThreads, 0, stream>>>(batch.runs + p,
                                                      const_cast<float*>(parameters[p].factors));
  }
  check_launch("divergences of rows");
}

inline void weigh_by_squares(const Recipe& recipe, const std::vector<Parameter>& parameters,
                             const DeviceBatch& batch, const Tensor& like, cudaStream_t stream) {
  const Grouping grouping = group_parameters(parameters, batch.tiles, false);
  const int n = recipe.checkpoints, count = static_cast<int>(parameters.size());
  Table table;
  const size_t tile_at = table.reserve<GroupOfTiles>(count);
  table.allocate(like);
  const GroupOfTiles* ranges = table.fill(tile_at, grouping.tiles.data(), count);
  table.send(stream);
  const Tensor parts = zeros(like, batch.tiles.size() * n * sizeof(double));
  const Tensor squares = zeros(like, parameters.size() * n * sizeof(double));
  auto* part_data = static_cast<double*>(parts.mutable_data_ptr());
  squares_kernel<<<static_cast<unsigned>(batch.tiles.size()), kThreads, 0, stream>>>(
      batch.runs, batch.device_tiles, part_data);
  weigh_squares_kernel<<<blocks_for(count), kThreads, 0, stream>>>(
      ranges, count, n, recipe.results, part_data, static_cast<double*>(squares.mutable_data_ptr()),
      batch.coefs);
  check_launch("weighing by squares");
}

inline void weigh_by_changes(const Recipe& recipe, const DeviceBatch& batch, const Tensor& like,
                             cudaStream_t stream) {
  const int n = recipe.checkpoints, count = static_cast<int>(batch.parameters);
  const Tensor counts = zeros(like, batch.parameters * 2 * n * sizeof(unsigned long long));
  auto* changed = static_cast<unsigned long long*>(counts.mutable_data_ptr());
  changes_kernel<<<static_cast<unsigned>(batch.tiles.size()), kThreads, 0, stream>>>(
      batch.runs, batch.device_tiles, static_cast<float>(recipe.dials[0]), changed);
  weigh_changes_kernel<<<blocks_for(count), kThreads, 0, stream>>>(
      count, n, recipe.results, recipe.dials[1], recipe.dials[2], changed, batch.coefs);
  check_launch("weighing by changes");
}

// One parameter whose rows are thinned first: core/thinned.h.
class ThinnedOnDevice {
 public:
  ThinnedOnDevice(const Recipe& recipe, const Parameter& parameter, const Tensor& like,
                  cudaStream_t stream)
      : recipe_(recipe),
        size_(parameter.size),
        batch_(send_batch(recipe, {parameter}, like, stream)),
        taus_(zeros(like, recipe.checkpoints * size_ * sizeof(float))),
        thinned_(zeros(like, recipe.checkpoints * size_ * sizeof(float))) {
    for (int i = 0; i < recipe.checkpoints; ++i)
      sources_.push_back({data(thinned_) + i * size_, Dtype::f32});
    part_ = parameter;
    part_.sources = sources_.data();
  }

  // Reads, thins and merges it; `fault` is set where an input holds a NaN or an infinity.
  void merge(const Tensor& like, cudaStream_t stream, int8_t* fault) {
    const dim3 grid(blocks_for(size_), recipe_.checkpoints);
    read_kernel<<<grid, kThreads, 0, stream>>>(batch_.runs, size_, data(taus_), fault);
    const Table odds = send_odds(like, stream);
    thin_kernel<<<grid, kThreads, 0, stream>>>(batch_.runs, size_, odds.on_device<DeviceOdds>(0),
                                               data(taus_), data(thinned_));
    check_launch("thinning");
    Recipe deltas = recipe_;
    deltas.deltas = true;
    const DeviceBatch rows = send_batch(deltas, {part_}, like, stream);
    if (recipe_.rescale == Rescale::l1) keep_norms(rows, like, stream);
    LaunchMerge launch{rows, fault, stream};
    with_formula(recipe_.fold, recipe_.rounding, launch);
    check_launch("merging thinned rows");
  }

 private:
  static float* data(const Tensor& plane) { return static_cast<float*>(plane.mutable_data_ptr()); }

  // DeviceOdds [N], and the tables that they point to.
  Table send_odds(const Tensor& like, cudaStream_t stream) const {
    const std::vector<OddsByRank> odds = odds_by_rank(recipe_, part_.row);
    const size_t n = odds.size(), row = part_.row;
    Table table;
    const size_t odds_at = table.reserve<DeviceOdds>(n);
    std::vector<size_t> limits, scales;
    for (size_t i = 0; i < n; ++i) {
      limits.push_back(table.reserve<uint32_t>(row));
      scales.push_back(table.reserve<float>(row));
    }
    table.allocate(like);
    std::vector<DeviceOdds> device(n);
    for (size_t i = 0; i < n; ++i) {
      device[i].key = part_.keys[i];
      if (odds[i].limits.empty()) continue;
      device[i].limits = table.fill(limits[i], odds[i].limits.data(), row);
      device[i].scales = table.fill(scales[i], odds[i].scales.data(), row);
    }
    table.fill(odds_at, device.data(), n);
    table.send(stream);
    return table;
  }

  void keep_norms(const DeviceBatch& rows, const Tensor& like, cudaStream_t stream) const {
    const int n = recipe_.checkpoints;
    const int64_t count = size_ / part_.row, together = kThreads / 16;
    const Tensor norms = zeros(like, count * 2 * n * sizeof(double));
    auto* norm_data = static_cast<double*>(norms.mutable_data_ptr());
    const dim3 grid(static_cast<unsigned>((count + together - 1) / together), n);
    row_norms_kernel<<<grid, kThreads, 0, stream>>>(count, part_.row, data(taus_), data(thinned_),
                                                    norm_data);
    thinned_scales_kernel<<<blocks_for(n), kThreads, 0, stream>>>(count, n, norm_data, rows.sieves);
    check_launch("keeping L1 norms");
  }

  const Recipe& recipe_;
  const int64_t size_;
  const DeviceBatch batch_;
  const Tensor taus_, thinned_;
  std::vector<Source> sources_;
  Parameter part_;
};

// All parameters, one after another: two fp32 copies of one parameter's task vectors at a time.
inline void merge_thinned_rows(const Recipe& recipe, const std::vector<Parameter>& parameters,
                               const Tensor& like, cudaStream_t stream, int8_t* faults) {
  for (size_t p = 0; p < parameters.size(); ++p)
    if (parameters[p].size > 0)
      ThinnedOnDevice(recipe, parameters[p], like, stream).merge(like, stream, faults + p);
}

}  // namespace taujp
