#include "core/statistics.h"

#include "core/rescale.h"
#include "core/selections.h"
#include "core/sieves.h"
#include "core/weights.h"
#include "core/thinned.h"
#include "core/varied.h"
#include "core/windows.h"

namespace taujp {
namespace {

void sparsify(const Recipe& recipe, const View& view, Statistics& found) {
  switch (recipe.sparsifier) {
    case Sparsifier::none: return;
    case Sparsifier::magnitude:
      found.survivors.sieves = recipe.over_model
                                   ? shifted(recipe.windows, view.parameter.before)
                                   : window_sieves(recipe, view.tiles(), view.fetch, view.threads);
      return;
    case Sparsifier::random: found.survivors.sieves = coin_sieves(recipe, view.parameter); return;
    case Sparsifier::rank: found.odds = odds_by_rank(recipe, view.parameter.row); return;
    case Sparsifier::variance: found.survivors = varied(recipe, view); return;
    case Sparsifier::importance:
      found.factors = row_divergences(recipe, view);
      found.rows = found.factors.size() / recipe.checkpoints;
      found.survivors.sieves = standing_out(recipe, found.applied(view));
  }
}

void rescale(const Recipe& recipe, const View& view, Statistics& found) {
  if (recipe.rescale != Rescale::l1) return;
  if (recipe.sparsifier == Sparsifier::rank)
    found.survivors = thinned_by_norms(recipe, view, found.odds);
  else
    rescale_l1(recipe, view, found.survivors);
}

}  // namespace

bool needs_none(const Recipe& recipe) {
  return recipe.sparsifier == Sparsifier::none && recipe.weighting == Weighting::given;
}

Statistics statistics_of(const Recipe& recipe, const View& view) {
  Statistics found;
  sparsify(recipe, view, found);
  rescale(recipe, view, found);
  if (recipe.weighting != Weighting::given) found.coefs = weighed(recipe, view, found.survivors);
  return found;
}

}  // namespace taujp
