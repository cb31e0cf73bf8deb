#include "core/statistics.h"

#include "core/rescale.h"
#include "core/selections.h"
#include "core/sieves.h"
#include "core/weights.h"
#include "core/windows.h"

namespace taujp {
namespace {

void sparsify(const Recipe& recipe, const Parameter& parameter, int threads, Statistics& found) {
  switch (recipe.sparsifier) {
    case Sparsifier::none: return;
    case Sparsifier::magnitude:
      found.sieves = recipe.over_model ? shifted(recipe.windows, parameter.before)
                                       : window_sieves(recipe, {parameter}, threads);
      return;
    case Sparsifier::random: found.sieves = coin_sieves(recipe, parameter); return;
    case Sparsifier::rank: found.odds = odds_by_rank(recipe, parameter.row); return;
    case Sparsifier::variance: found.sieves = variance_sieves(recipe, parameter, threads); return;
    case Sparsifier::importance:
      found.factors = row_divergences(recipe, parameter, threads);
      found.sieves = standing_out(recipe, found.applied(parameter), threads);
  }
}

void rescale(const Recipe& recipe, const Parameter& parameter, int threads, Statistics& found) {
  if (recipe.rescale != Rescale::l1) return;
  if (recipe.sparsifier == Sparsifier::rank)
    found.thinned = thinned_by_norms(recipe, parameter, found.odds, threads);
  else
    rescale_l1(recipe, parameter, found.sieves, threads);
}

}  // namespace

bool needs_none(const Recipe& recipe) {
  return recipe.sparsifier == Sparsifier::none && recipe.weighting == Weighting::given;
}

Statistics statistics_of(const Recipe& recipe, const Parameter& parameter, int threads) {
  Statistics found;
  sparsify(recipe, parameter, threads, found);
  rescale(recipe, parameter, threads, found);
  if (recipe.weighting != Weighting::given)
    found.coefs = weighed(recipe, parameter, found.sieves, threads);
  return found;
}

}  // namespace taujp
