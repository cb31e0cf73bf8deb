// Books kept while threads work: each tensor's fingerprints, its missing tiles, what is finished.
#pragma once
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "stream/fingerprint.h"
#include "stream/piece_sums.h"
#include "stream/plan.h"
#include "stream/tiles.h"

namespace taujp::stream {

struct Finished {
  int64_t item = 0;
  std::vector<uint64_t> fingerprints;  // of the sources, then of the K results of a merge
  bool nonfinite = false;              // an input held a NaN or an infinity
  std::vector<double> products;        // [N, N] where they were asked for
};

class Ledger {
 public:
  Ledger(const Plan& plan, const Tiles& tiles) : plan_(plan), products_(plan.items.size()) {
    const size_t items = plan.items.size();
    missing_ = std::make_unique<std::atomic<int64_t>[]>(items);
    nonfinite_ = std::make_unique<std::atomic<bool>[]>(items);
    for (size_t i = 0; i < items; ++i) {
      begins_.push_back(columns_);
      columns_ += columns(plan.items[i]);
      missing_[i] = tiles.count(plan.items[i]);
    }
    sums_ = std::make_unique<std::atomic<uint64_t>[]>(columns_);
  }

  // A part of the fingerprint of source `column`, or of result `column - sources`.
  void add(int64_t item, size_t column, uint64_t part) {
    sums_[begins_[item] + column].fetch_add(part, std::memory_order_relaxed);
  }

  // The dot products of one piece of a tensor, before it is done.
  void add_products(int64_t item, int64_t piece, const std::vector<double>& sums) {
    products_.add(item, piece, sums);
  }

  void tile_done(int64_t item, bool nonfinite) {
    if (nonfinite) nonfinite_[item] = true;
    if (missing_[item].fetch_sub(1, std::memory_order_acq_rel) == 1) finish(item);
  }

  std::vector<Finished> take_finished() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(finished_, {});
  }

 private:
  size_t columns(const Item& item) const {
    return item.sources.size() + (item.copy ? 0 : plan_.recipe.results);
  }

  void finish(int64_t index) {
    const Item& item = plan_.items[index];
    Finished done{index, {}, nonfinite_[index], {}};
    done.products = products_.take_symmetric(index, plan_.recipe.checkpoints);
    for (size_t column = 0; column < columns(item); ++column) {
      const bool read = column < item.sources.size();
      const Place& place = read ? item.sources[column] : item.targets[column - item.sources.size()];
      done.fingerprints.push_back(
          fingerprint_seal(sums_[begins_[index] + column], item.size * place.width));
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    finished_.push_back(std::move(done));
  }

  const Plan& plan_;
  std::vector<size_t> begins_;  // where an item's columns begin in sums_
  size_t columns_ = 0;
  std::unique_ptr<std::atomic<uint64_t>[]> sums_;
  std::unique_ptr<std::atomic<int64_t>[]> missing_;
  std::unique_ptr<std::atomic<bool>[]> nonfinite_;
  PieceSums products_;
  std::mutex mutex_;
  std::vector<Finished> finished_;
};

}  // namespace taujp::stream
