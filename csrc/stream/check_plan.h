// Refuses a plan that would read or write out of bounds. Python checks for people, with names and
// advice; this is for safety.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>

#include "core/merge.h"
#include "stream/plan.h"

namespace taujp::stream {

inline void require(bool holds, const std::string& what) {
  if (!holds) throw std::invalid_argument("stream: " + what);
}

inline void check_place(const Place& place, size_t files, bool number, bool memory) {
  const bool in_file = place.file >= 0 && static_cast<size_t>(place.file) < files;
  require(in_file || (memory && place.file == kMemory), "a place in no file of the plan");
  require(place.offset >= 0, "a place before the beginning of its file");
  if (!number) return require(place.width == 1, "a copy that is not of bytes");
  require(place.dtype >= Dtype::f32 && place.dtype <= Dtype::bf16, "an unknown dtype");
  require(place.width == static_cast<int32_t>(bytes_of(place.dtype)), "a width not of the dtype");
}

inline void check_item(const Plan& plan, const Item& item) {
  const size_t results = plan.recipe.results, checkpoints = plan.recipe.checkpoints;
  const size_t sources = item.copy ? 1 : checkpoints + (plan.has_base ? 1 : 0);
  require(item.size >= 0, "a negative size");
  require(item.sources.size() == sources, "a wrong number of sources");
  const bool writes = item.copy ? !item.targets.empty() : !plan.products;
  if (writes)  // a copy without targets takes a fingerprint only
    require(results > 0 && !item.targets.empty() && item.targets.size() % results == 0,
            "the targets are not K for every name");
  if (!item.copy) {
    require(item.coefs >= 0 && static_cast<size_t>(item.coefs) < plan.coefs.size(),
            "no such coefs");
    const Sparsifier sparsifier = plan.recipe.sparsifier;
    const bool ranks = sparsifier == Sparsifier::rank;
    require(!(ranks || sparsifier == Sparsifier::random) || item.keys.size() == checkpoints,
            "not one key for each checkpoint");
    require(!(ranks || sparsifier == Sparsifier::importance) || item.size == 0 ||
                (item.row > 0 && item.size % item.row == 0),
            "rows that do not fill the tensor");
    require(sparsifier != Sparsifier::importance || plan.has_base, "importances without a base");
  }
  for (const Place& place : item.sources) check_place(place, plan.inputs.size(), !item.copy, true);
  for (const Place& place : item.targets)
    require(item.copy || place.dtype == item.targets[0].dtype, "targets of several dtypes");
  for (const Place& place : item.targets)
    check_place(place, plan.outputs.size(), !item.copy, false);
}

inline void check_plan(const Plan& plan) {
  const Recipe& recipe = plan.recipe;
  require(plan.threads >= 1, "no threads");
  require(recipe.checkpoints >= 0 && recipe.results >= 0, "a negative count");
  const size_t n = recipe.checkpoints, k = recipe.results;
  for (const auto& table : plan.coefs) require(table.size() == n * k, "coefs are not [K, N]");
  require(recipe.sparsifier == Sparsifier::none || recipe.density.size() == n, "not N densities");
  require(recipe.skip.empty() || recipe.skip.size() == n, "not N skips");
  require(recipe.lambda.size() == k, "not K lambdas");
  require(!recipe.over_model || recipe.rescale != Rescale::l1,
          "L1 norms with ranks over the model");
  require(!plan.products || (k == 0 && is_pointwise(recipe)), "products and a merge in one");
  for (const Item& item : plan.items) check_item(plan, item);
}

}  // namespace taujp::stream
