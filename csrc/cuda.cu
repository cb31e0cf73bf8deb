// taujp_ext._cuda: the CUDA kernels of the operations that csrc/cpu.cpp declares.
// Never run on the machine it was written on; what a thread computes is tested on the host.
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/accelerator.h>

#include "cuda/attention.h"
#include "cuda/merge.h"
#include "cuda/objective.h"
#include "cuda/survey.h"
#include "cuda/tangent.h"

namespace taujp {
namespace ops {

cudaStream_t current_stream(const Tensor& like) {
  void* stream = nullptr;
  STD_TORCH_CHECK(
      aoti_torch_get_current_cuda_stream(like.get_device_index(), &stream) == AOTI_TORCH_SUCCESS,
      "taujp: no CUDA stream");
  return static_cast<cudaStream_t>(stream);
}

Tensor merge_cuda(std::vector<Tensor> sources, std::vector<Tensor> bases,
                  std::vector<Tensor> results, Tensor coefs, Tensor groups, Tensor keys,
                  std::vector<double> lambdas, std::vector<double> density,
                  std::vector<double> skip, std::string fold, std::string sparsifier,
                  std::string rescale, std::string rounding, bool normalize, bool keep_one,
                  bool deltas, bool over_model, int64_t, std::vector<double> spread,
                  std::vector<double> dials, std::string weighting, std::vector<int64_t> rows) {
  const Recipe recipe =
      named_recipe(lambdas, density, skip, fold, sparsifier, rescale, rounding, normalize, keep_one,
                   deltas, over_model, spread, dials, weighting);
  Batch host = make_batch(recipe, sources, bases, results, coefs, groups, keys, rows);
  const Tensor& like = sources[0];
  const torch::stable::accelerator::DeviceGuard guard(like.get_device_index());
  cudaStream_t stream = current_stream(like);
  const int64_t count = static_cast<int64_t>(host.parameters.size());
  Tensor faults = torch::stable::new_zeros(like, {count}, ScalarType::Char);
  auto* fault_data = static_cast<int8_t*>(faults.mutable_data_ptr());
  if (recipe.sparsifier == Sparsifier::rank) {
    merge_thinned_rows(recipe, host.parameters, like, stream, fault_data);
    return faults;
  }
  const bool importance = recipe.sparsifier == Sparsifier::importance;
  const Tensor factors =
      importance ? room_for_factors(recipe, host.parameters, like) : zeros(like, 0);
  const DeviceBatch batch = send_batch(recipe, host.parameters, like, stream);
  if (batch.tiles.empty()) return faults;
  if (importance) find_divergences(recipe, host.parameters, batch, stream);
  if (importance || recipe.sparsifier == Sparsifier::magnitude ||
      recipe.sparsifier == Sparsifier::variance)
    find_windows(recipe, host.parameters, batch, like, stream);
  if (recipe.rescale == Rescale::l1) rescale_by_l1(host.parameters, batch, like, stream);
  if (recipe.weighting == Weighting::squares)
    weigh_by_squares(recipe, host.parameters, batch, like, stream);
  if (recipe.weighting == Weighting::changes) weigh_by_changes(recipe, batch, like, stream);
  LaunchMerge launch{batch, fault_data, stream};
  with_formula(recipe.fold, recipe.rounding, launch);
  check_launch("merging");
  return faults;
}

Tensor products_cuda(std::vector<Tensor> sources, std::vector<Tensor> bases, Tensor coefs,
                     bool deltas, int64_t left, int64_t) {
  const auto [recipe, host] = make_rows(sources, bases, coefs, deltas);
  const Tensor& like = sources[0];
  const torch::stable::accelerator::DeviceGuard guard(like.get_device_index());
  cudaStream_t stream = current_stream(like);
  const DeviceBatch batch = send_batch(recipe, host.parameters, like, stream);
  const int cells = static_cast<int>(left) * recipe.results;
  Tensor sums = torch::stable::new_zeros(like, {left, recipe.results}, ScalarType::Double);
  if (batch.tiles.empty()) return sums;
  const Tensor parts = zeros(like, batch.tiles.size() * cells * sizeof(double));
  auto* part_data = static_cast<double*>(parts.mutable_data_ptr());
  products_kernel<<<static_cast<unsigned>(batch.tiles.size()), kThreads, 0, stream>>>(
      batch.runs, batch.device_tiles, static_cast<int>(left), part_data);
  add_parts_kernel<<<blocks_for(cells), kThreads, 0, stream>>>(
      part_data, static_cast<int64_t>(batch.tiles.size()), cells,
      static_cast<double*>(sums.mutable_data_ptr()));
  check_launch("dot products");
  return sums;
}

std::string cuda_architectures() { return TAUJP_CUDA_ARCHITECTURES; }

}  // namespace ops
}  // namespace taujp

STABLE_TORCH_LIBRARY_FRAGMENT(taujp, m) { m.def("cuda_architectures() -> str"); }

STABLE_TORCH_LIBRARY_IMPL(taujp, CompositeExplicitAutograd, m) {
  m.impl("cuda_architectures", TORCH_BOX(&taujp::ops::cuda_architectures));
}

STABLE_TORCH_LIBRARY_IMPL(taujp, CUDA, m) {
  m.impl("merge_", TORCH_BOX(&taujp::ops::merge_cuda));
  m.impl("products", TORCH_BOX(&taujp::ops::products_cuda));
  m.impl("layer_norm_tangent", TORCH_BOX(&taujp::ops::layer_norm_tangent_cuda));
  m.impl("gelu_tangent", TORCH_BOX(&taujp::ops::gelu_tangent_cuda));
  m.impl("row_norm", TORCH_BOX(&taujp::ops::row_norm_cuda));
  m.impl("row_norm_grad", TORCH_BOX(&taujp::ops::row_norm_grad_cuda));
  m.impl("attention_tangent", TORCH_BOX(&taujp::ops::attention_tangent_cuda));
  m.impl("deltas", TORCH_BOX(&taujp::ops::deltas_cuda));
  m.impl("risk_rows", TORCH_BOX(&taujp::ops::risk_rows_cuda));
  m.impl("risk_rows_grad", TORCH_BOX(&taujp::ops::risk_rows_grad_cuda));
}
