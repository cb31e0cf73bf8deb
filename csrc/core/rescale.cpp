#include "core/rescale.h"

#include <algorithm>

#include "core/make_run.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/tiles.h"

namespace taujp {

void rescale_l1(const Recipe& recipe, const Parameter& parameter, std::vector<Sieve>& sieves,
                int threads) {
  const std::vector<Tile> blocks = cut_tiles({parameter}, kSumBlock);
  const int n = recipe.checkpoints;
  std::vector<double> sums(blocks.size() * 2 * n, 0.0);
  std::vector<Scratch> scratch(std::max(1, threads));
  parallel(blocks.size(), threads, [&](int64_t block, int thread) {
    if (!scratch[thread]) scratch[thread] = make_scratch(scratch_floats(n));
    const Run run = make_run(recipe, parameter, blocks[block].begin, blocks[block].end,
                             sieves.data(), scratch[thread].get());
    level().sum_magnitudes(run, sums.data() + block * 2 * n);
  });
  for (int i = 0; i < n; ++i) {
    double before = 0, after = 0;
    for (size_t block = 0; block < blocks.size(); ++block) {
      before += sums[block * 2 * n + i];
      after += sums[block * 2 * n + n + i];
    }
    sieves[i].scale = scale_of_norms(before, after);
  }
}

}  // namespace taujp
