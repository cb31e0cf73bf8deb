// taujp_ext._cpu: the schemas of all operations, and their CPU kernels.
#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstring>

#include "core/merge.h"
#include "core/run.h"
#include "cpu_objective.h"
#include "cpu_tangent.h"
#include "torch_rim.h"

namespace taujp {
namespace ops {

// Results as large as this are written past the caches, and their pages are asked for in 2 MB.
constexpr int64_t kLargeBytes = int64_t{8} << 20;

// Fresh memory is zeroed by the system page by page on first touch; 2 MB pages make that cheap.
void ask_for_huge_pages(const Target& target, int64_t elements) {
#if defined(__linux__)
  const uintptr_t page = 2 << 20;
  const uintptr_t begin = (reinterpret_cast<uintptr_t>(target.data) + page - 1) / page * page;
  const uintptr_t end =
      (reinterpret_cast<uintptr_t>(target.data) + elements * bytes_of(target.dtype)) / page * page;
  if (end > begin) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#endif
}

int64_t bytes_of_results(const Recipe& recipe, const std::vector<Parameter>& parameters) {
  int64_t bytes = 0;
  for (const Parameter& parameter : parameters)
    for (int k = 0; k < recipe.results; ++k)
      bytes += parameter.size * bytes_of(parameter.targets[k].dtype);
  return bytes;
}

Tensor cpu_tensor(const void* data, std::vector<int64_t> shape, ScalarType dtype, size_t bytes) {
  Tensor tensor = torch::stable::empty(shape, dtype);
  if (bytes > 0) std::memcpy(tensor.mutable_data_ptr(), data, bytes);
  return tensor;
}

Tensor merge_(std::vector<Tensor> sources, std::vector<Tensor> bases, std::vector<Tensor> results,
              Tensor coefs, Tensor groups, Tensor keys, std::vector<double> lambdas,
              std::vector<double> density, std::vector<double> skip, std::string fold,
              std::string sparsifier, std::string rescale, std::string rounding, bool normalize,
              bool keep_one, bool deltas, bool over_model, int64_t threads,
              std::vector<double> spread, std::vector<double> dials, std::string weighting,
              std::vector<int64_t> rows) {
  Recipe recipe = named_recipe(lambdas, density, skip, fold, sparsifier, rescale, rounding,
                               normalize, keep_one, deltas, over_model, spread, dials, weighting);
  const Batch batch = make_batch(recipe, sources, bases, results, coefs, groups, keys, rows);
  recipe.past_cache = bytes_of_results(recipe, batch.parameters) >= kLargeBytes;
  if (recipe.past_cache)
    for (const Parameter& parameter : batch.parameters)
      for (int k = 0; k < recipe.results; ++k)
        ask_for_huge_pages(parameter.targets[k], parameter.size);
  const std::vector<char> faults = merge_all(recipe, batch.parameters, static_cast<int>(threads));
  return cpu_tensor(faults.data(), {static_cast<int64_t>(faults.size())}, ScalarType::Char,
                    faults.size());
}

Tensor products(std::vector<Tensor> sources, std::vector<Tensor> bases, Tensor coefs, bool deltas,
                int64_t left, int64_t threads) {
  const Rows rows = make_rows(sources, bases, coefs, deltas);
  const std::vector<double> sums = taujp::products(
      rows.recipe, rows.batch.parameters, static_cast<int>(left), static_cast<int>(threads));
  return cpu_tensor(sums.data(), {left, rows.recipe.results}, ScalarType::Double,
                    sums.size() * sizeof(double));
}

std::string simd_level() { return level().name; }

}  // namespace ops
}  // namespace taujp

STABLE_TORCH_LIBRARY(taujp, m) {
  m.def(
      "merge_(Tensor[] sources, Tensor[] bases, Tensor(a!)[] results, Tensor coefs, Tensor groups, "
      "Tensor keys, float[] lambdas, float[] density, float[] skip, str fold, str sparsifier, "
      "str rescale, str rounding, bool normalize, bool keep_one, bool deltas, bool over_model, "
      "int threads, float[] spread=[], float[] dials=[], str weighting=\"given\", int[] rows=[]) "
      "-> "
      "Tensor");
  m.def(
      "products(Tensor[] sources, Tensor[] bases, Tensor coefs, bool deltas, int left, int "
      "threads) "
      "-> Tensor");
  m.def("simd_level() -> str");
  m.def(
      "layer_norm_tangent(Tensor x, Tensor? dx, Tensor mean, Tensor rstd, Tensor? weight, Tensor? "
      "dweight, Tensor? dbias) -> Tensor");
  m.def("gelu_tangent(Tensor x, Tensor dx, str approximate) -> Tensor");
  m.def("row_norm(Tensor x) -> Tensor");
  m.def("row_norm_grad(Tensor x, Tensor norm, Tensor grad) -> Tensor");
  m.def(
      "attention_tangent(Tensor q, Tensor k, Tensor v, Tensor? dq, Tensor? dk, Tensor? dv, Tensor? "
      "mask, float scale, bool causal) -> Tensor");
  m.def("risk_rows(Tensor logits, Tensor labels, Tensor scales) -> (Tensor, Tensor)");
  m.def(
      "risk_rows_grad(Tensor logits, Tensor labels, Tensor scales, Tensor loss, Tensor slope, "
      "Tensor grad_loss, Tensor grad_slope) -> Tensor");
  m.def("deltas(Tensor[] theta, Tensor[] theta0, ScalarType? dtype) -> Tensor[]");
}

STABLE_TORCH_LIBRARY_IMPL(taujp, CPU, m) {
  m.impl("merge_", TORCH_BOX(&taujp::ops::merge_));
  m.impl("products", TORCH_BOX(&taujp::ops::products));
  m.impl("layer_norm_tangent", TORCH_BOX(&taujp::ops::layer_norm_tangent));
  m.impl("gelu_tangent", TORCH_BOX(&taujp::ops::gelu_tangent));
  m.impl("row_norm", TORCH_BOX(&taujp::ops::row_norm));
  m.impl("row_norm_grad", TORCH_BOX(&taujp::ops::row_norm_grad));
  m.impl("attention_tangent", TORCH_BOX(&taujp::ops::attention_tangent));
  m.impl("deltas", TORCH_BOX(&taujp::ops::deltas));
  m.impl("risk_rows", TORCH_BOX(&taujp::ops::risk_rows));
  m.impl("risk_rows_grad", TORCH_BOX(&taujp::ops::risk_rows_grad));
}

STABLE_TORCH_LIBRARY_IMPL(taujp, CompositeExplicitAutograd, m) {
  m.impl("simd_level", TORCH_BOX(&taujp::ops::simd_level));
}
