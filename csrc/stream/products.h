// Dot products of the vectors of each tensor, for merges whose weights are found from them alone:
// theta_i - theta0, or theta_i where there is no base or they are task vectors already.
//
// The order of the sums is part of the answer: blocks of kSumBlock elements, then pieces of
// kProductsPiece, then the tensor. So it is the same for any number of threads, and what the
// operation taujp::products gives for those pieces one by one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/make_run.h"
#include "core/run.h"
#include "core/scratch.h"
#include "stream/bench.h"
#include "stream/buffer.h"
#include "stream/nonfinite.h"
#include "stream/work.h"

namespace taujp::stream {

// Ones on the diagonal: each of the rows that are multiplied is a vector itself.
inline std::vector<float> identity_of(int n) {
  std::vector<float> identity(static_cast<size_t>(n) * n, 0.0f);
  for (int i = 0; i < n; ++i) identity[static_cast<size_t>(i) * n + i] = 1.0f;
  return identity;
}

// The products of one thread's pieces.
class Multiplier {
 public:
  explicit Multiplier(const Recipe& recipe)
      : recipe_(recipe),
        identity_(identity_of(recipe.checkpoints)),
        scratch_(make_scratch(scratch_floats(recipe.checkpoints) + recipe.checkpoints * kRow)) {
    recipe_.results = recipe_.checkpoints;
  }

  // sums += the products of a run, block by block. True when an input held a NaN or an infinity.
  bool add(Parameter parameter, std::vector<double>& sums) {
    parameter.coefs = identity_.data();
    bool nonfinite = false;
    for (int64_t begin = 0; begin < parameter.size; begin += kSumBlock) {
      const int64_t end = std::min(begin + kSumBlock, parameter.size);
      block_.assign(sums.size(), 0.0);
      level().sum_products(make_run(recipe_, parameter, begin, end, nullptr, scratch_.get()),
                           recipe_.checkpoints, block_.data());
      for (size_t cell = 0; cell < sums.size(); ++cell) sums[cell] += block_[cell];
      nonfinite = nonfinite || (overflowed() && any_nonfinite(parameter, begin, end));
    }
    return nonfinite;
  }

 private:
  // Finite numbers may have a product that is not, too large ones, so that it takes a closer look.
  bool overflowed() const {
    return std::any_of(block_.begin(), block_.end(), [](double x) { return !(x - x == 0.0); });
  }

  bool any_nonfinite(const Parameter& parameter, int64_t begin, int64_t end) const {
    const auto holds = [&](const Source& source) {
      const auto* data = static_cast<const char*>(source.data) + begin * bytes_of(source.dtype);
      return first_nonfinite_of(data, end - begin, source.dtype) >= 0;
    };
    return (parameter.base.data != nullptr && holds(parameter.base)) ||
           std::any_of(parameter.sources, parameter.sources + recipe_.checkpoints, holds);
  }

  Recipe recipe_;
  const std::vector<float> identity_;
  const Scratch scratch_;
  std::vector<double> block_;
};

// A piece comes in steps that stay in the cache.
inline void multiply_tile(Work& work, const Tile& tile, Buffer& buffer) {
  Multiplier multiplier(work.plan.recipe);
  const size_t n = work.plan.recipe.checkpoints;
  const int64_t step = products_step(work.plan.items[tile.item]);
  std::vector<double> sums(n * n, 0.0);
  bool nonfinite = false;
  for (int64_t first = 0; first < tile.count; first += step) {
    const int64_t count = std::min(step, tile.count - first);
    Bench bench(work, {tile.item, tile.first + first, count}, buffer);
    for (size_t i = 0; i < bench.sources(); ++i) bench.read(i, 0, count);
    nonfinite |= multiplier.add(bench.parameter(), sums);
  }
  work.ledger.add_products(tile.item, tile.first / kProductsPiece, sums);
  work.ledger.tile_done(tile.item, nonfinite);
}

}  // namespace taujp::stream
