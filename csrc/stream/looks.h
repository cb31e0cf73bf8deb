// Looks at tensors of files, for statistics: what is looked at is read again when it is merged.
#pragma once
#include <memory>
#include <stdexcept>
#include <vector>

#include "core/view.h"
#include "stream/bench.h"
#include "stream/buffer.h"
#include "stream/work.h"

namespace taujp::stream {

class Looks {
 public:
  explicit Looks(Work& work)
      : work_(work), buffers_(work.plan.threads), benches_(work.plan.threads) {}

  // The elements of a tile, until the thread's next look.
  Piece at(const taujp::Tile& tile, int thread) {
    if (work_.stop) throw std::runtime_error("stopped");
    const int64_t count = tile.end - tile.begin;
    const Tile wanted{tile.parameter, tile.begin, count};
    benches_[thread] = std::make_unique<Bench>(work_, wanted, buffers_[thread]);
    for (size_t i = 0; i < benches_[thread]->sources(); ++i) benches_[thread]->look(i, 0, count);
    return {benches_[thread]->parameter(), 0, count};
  }

  Buffer& buffer(int thread) { return buffers_[thread]; }

 private:
  Work& work_;
  std::vector<Buffer> buffers_;
  std::vector<std::unique_ptr<Bench>> benches_;
};

}  // namespace taujp::stream
