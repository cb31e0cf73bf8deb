// A recipe from the words and numbers that Python hands over.
#pragma once
#include <string>
#include <vector>

#include "core/names.h"
#include "core/recipe.h"

namespace taujp {

// lambdas [K], density [N], skip [N] or none; the words are those of core/names.h.
inline Recipe named_recipe(const std::vector<double>& lambdas, const std::vector<double>& density,
                           const std::vector<double>& skip, const std::string& fold,
                           const std::string& sparsifier, const std::string& rescale,
                           const std::string& rounding, bool normalize, bool keep_one, bool deltas,
                           bool over_model) {
  Recipe recipe;
  recipe.fold = fold_named(fold);
  recipe.sparsifier = sparsifier_named(sparsifier);
  recipe.rescale = rescale_named(rescale);
  recipe.rounding = rounding_named(rounding);
  recipe.normalize = normalize;
  recipe.keep_one = keep_one;
  recipe.deltas = deltas;
  recipe.over_model = over_model && recipe.sparsifier == Sparsifier::magnitude;
  recipe.checkpoints = static_cast<int>(density.size());
  recipe.results = static_cast<int>(lambdas.size());
  recipe.lambda.assign(lambdas.begin(), lambdas.end());
  recipe.density = density;
  recipe.skip = skip;
  return recipe;
}

}  // namespace taujp
