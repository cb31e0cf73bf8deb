// What the CPU and the CUDA module share at the rim: tensors in, plain parameters out. Shapes,
// dtypes, devices and strides are checked here once, for safety; Python checks them before, for
// people.
#pragma once
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/named_recipe.h"
#include "core/recipe.h"

namespace taujp {

using torch::headeronly::DeviceType;
using torch::headeronly::ScalarType;
using torch::stable::Tensor;

// Pointers that Parameters borrow.
struct Batch {
  std::vector<Parameter> parameters;
  std::vector<Source> sources;
  std::vector<Target> targets;
};

inline Dtype dtype_of(const Tensor& tensor, const char* what) {
  switch (tensor.scalar_type()) {
    case ScalarType::Float: return Dtype::f32;
    case ScalarType::Half: return Dtype::f16;
    case ScalarType::BFloat16: return Dtype::bf16;
    default:
      STD_TORCH_CHECK(false, "taujp: ", what,
                      " has a dtype that is not float32, float16 or bfloat16");
  }
  return Dtype::f32;
}

inline void check_like(const Tensor& tensor, const Tensor& first, int64_t size, const char* what) {
  STD_TORCH_CHECK(tensor.is_contiguous(), "taujp: ", what, " is not contiguous");
  STD_TORCH_CHECK(tensor.numel() == size, "taujp: ", what, " has ", tensor.numel(),
                  " elements, expected ", size);
  STD_TORCH_CHECK(tensor.device().type() == first.device().type() &&
                      tensor.get_device_index() == first.get_device_index(),
                  "taujp: ", what, " is on another device than the first source");
}

inline void check_table(const Tensor& table, ScalarType dtype, int64_t size, const char* what) {
  STD_TORCH_CHECK(table.is_cpu() && table.is_contiguous() && table.scalar_type() == dtype &&
                      table.numel() == size,
                  "taujp: ", what, " must be a contiguous CPU tensor of ", size, " elements, has ",
                  table.numel());
}

// Elements to a row of a parameter, where the recipe looks at rows.
inline int64_t checked_row(const Recipe& recipe, const std::vector<int64_t>& rows, int64_t p,
                           int64_t size) {
  if (recipe.sparsifier != Sparsifier::rank && recipe.sparsifier != Sparsifier::importance)
    return 0;
  STD_TORCH_CHECK(p < static_cast<int64_t>(rows.size()), "taujp: ", rows.size(),
                  " row lengths; expected one for each parameter");
  STD_TORCH_CHECK(size == 0 || (rows[p] > 0 && size % rows[p] == 0), "taujp: rows of ", rows[p],
                  " elements in a parameter of ", size);
  return rows[p];
}

// sources [P * N], bases [P] or none, results [P * K]; coefs [G, K, N] float32, groups [P] int64,
// keys [P, N] int64 or empty, rows [P] or none.
inline Batch make_batch(const Recipe& recipe, const std::vector<Tensor>& sources,
                        const std::vector<Tensor>& bases, const std::vector<Tensor>& results,
                        const Tensor& coefs, const Tensor& groups, const Tensor& keys,
                        const std::vector<int64_t>& rows = {}) {
  const int64_t n = recipe.checkpoints, k = recipe.results;
  STD_TORCH_CHECK(n > 0 && sources.size() % n == 0, "taujp: ", sources.size(), " sources for ", n,
                  " checkpoints");
  const int64_t count = sources.size() / n;
  STD_TORCH_CHECK(bases.empty() || static_cast<int64_t>(bases.size()) == count,
                  "taujp: ", bases.size(), " bases for ", count, " parameters");
  STD_TORCH_CHECK(results.empty() || static_cast<int64_t>(results.size()) == count * k,
                  "taujp: ", results.size(), " results for ", count, " parameters");
  check_table(groups, ScalarType::Long, count, "groups");
  STD_TORCH_CHECK(coefs.dim() == 3 && coefs.size(1) == k && coefs.size(2) == n,
                  "taujp: coefs must be [groups, ", k, ", ", n, "]");
  check_table(coefs, ScalarType::Float, coefs.numel(), "coefs");
  const bool tosses =
      recipe.sparsifier == Sparsifier::random || recipe.sparsifier == Sparsifier::rank;
  if (tosses || keys.numel() > 0) check_table(keys, ScalarType::Long, count * n, "keys");
  STD_TORCH_CHECK(recipe.sparsifier != Sparsifier::importance || !bases.empty(),
                  "taujp: importances need bases");
  Batch batch;
  batch.sources.reserve(count * n);
  batch.targets.reserve(results.size());
  const float* coef_data = static_cast<const float*>(coefs.const_data_ptr());
  const int64_t* group_data = static_cast<const int64_t*>(groups.const_data_ptr());
  for (int64_t p = 0; p < count; ++p) {
    const int64_t group = group_data[p], size = sources[p * n].numel();
    STD_TORCH_CHECK(group >= 0 && group < coefs.size(0), "taujp: group ", group, " of ",
                    coefs.size(0));
    Parameter parameter;
    parameter.size = size;
    parameter.row = checked_row(recipe, rows, p, size);
    for (int64_t i = 0; i < n; ++i) {
      const Tensor& source = sources[p * n + i];
      check_like(source, sources[0], size, "a source");
      batch.sources.push_back({source.const_data_ptr(), dtype_of(source, "a source")});
    }
    for (int64_t j = 0; j < k && !results.empty(); ++j) {
      const Tensor& result = results[p * k + j];
      check_like(result, sources[0], size, "a result");
      STD_TORCH_CHECK(result.scalar_type() == results[p * k].scalar_type(),
                      "taujp: the K results of a parameter differ in dtype");
      batch.targets.push_back({result.mutable_data_ptr(), dtype_of(result, "a result")});
    }
    if (!bases.empty()) {
      check_like(bases[p], sources[0], size, "a base");
      parameter.base = {bases[p].const_data_ptr(), dtype_of(bases[p], "a base")};
    }
    parameter.sources = batch.sources.data() + p * n;
    parameter.targets = batch.targets.data() + (results.empty() ? 0 : p * k);
    parameter.coefs = coef_data + group * k * n;
    if (keys.numel() > 0)
      parameter.keys = static_cast<const uint64_t*>(keys.const_data_ptr()) + p * n;
    batch.parameters.push_back(parameter);
  }
  return batch;
}

// What `products` works on: coefs [1, K, N], all parameters of one group.
struct Rows {
  Recipe recipe;
  Batch batch;
};

inline Rows make_rows(const std::vector<Tensor>& sources, const std::vector<Tensor>& bases,
                      const Tensor& coefs, bool deltas) {
  STD_TORCH_CHECK(coefs.dim() == 3, "taujp: coefs must be [1, K, N]");
  const std::vector<double> lambdas(coefs.size(1), 1.0), density(coefs.size(2), 1.0);
  const Recipe recipe = named_recipe(lambdas, density, {}, "linear", "none", "none", "exact", false,
                                     false, deltas, false);
  const int64_t count = sources.size() / recipe.checkpoints;
  Tensor groups = torch::stable::empty({count}, ScalarType::Long);
  std::memset(groups.mutable_data_ptr(), 0, count * sizeof(int64_t));
  const Tensor none = torch::stable::empty({0}, ScalarType::Long);
  return {recipe, make_batch(recipe, sources, bases, {}, coefs, groups, none)};
}

}  // namespace taujp
