// A recipe from the words and numbers that Python hands over.
#pragma once
#include <string>
#include <vector>

#include "core/names.h"
#include "core/recipe.h"
#include "core/run.h"

namespace taujp {

// Numbers that the fold and the weighting read: too few would be read as 0.
inline void check_dials(const Recipe& recipe) {
  const size_t fold = recipe.fold == Fold::consensus ? 2 : recipe.fold == Fold::own_or_mean ? 1 : 0;
  const size_t wanted = recipe.weighting == Weighting::changes ? 3 : fold;
  if (recipe.dials.size() < wanted || recipe.dials.size() > kDials)
    throw std::invalid_argument("dials has " + std::to_string(recipe.dials.size()) +
                                " numbers; expected " + std::to_string(wanted));
}

// Ranks have their odds around every density, and odds rise with the rank.
inline void check_spread(const Recipe& recipe) {
  const size_t wanted = recipe.sparsifier == Sparsifier::rank ? recipe.density.size() : 0;
  if (recipe.spread.size() < wanted)
    throw std::invalid_argument("spread has " + std::to_string(recipe.spread.size()) +
                                " numbers; expected " + std::to_string(wanted));
  for (const double spread : recipe.spread)
    if (!(spread >= 0))
      throw std::invalid_argument("spread has " + std::to_string(spread) +
                                  "; odds rise with the rank: give 0 or more");
}

// lambdas [K], density [N], skip and spread [N] or none, dials as the fold has; the words are those
// of core/names.h.
inline Recipe named_recipe(const std::vector<double>& lambdas, const std::vector<double>& density,
                           const std::vector<double>& skip, const std::string& fold,
                           const std::string& sparsifier, const std::string& rescale,
                           const std::string& rounding, bool normalize, bool keep_one, bool deltas,
                           bool over_model, const std::vector<double>& spread = {},
                           const std::vector<double>& dials = {},
                           const std::string& weighting = "given") {
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
  recipe.spread = spread;
  recipe.dials = dials;
  recipe.weighting = weighting_named(weighting);
  check_dials(recipe);
  check_spread(recipe);
  return recipe;
}

}  // namespace taujp
