// Sums over the pieces of tensors, which threads finish in any order: added up in the order of the
// pieces. What is kept of a tensor is let go as soon as it is summed up.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace taujp::stream {

class PieceSums {
 public:
  explicit PieceSums(size_t items) : pieces_(items) {}

  void add(int64_t item, int64_t piece, const std::vector<double>& sums) {
    const std::lock_guard<std::mutex> lock(mutex_);
    auto& pieces = pieces_[item];
    if (pieces.size() <= static_cast<size_t>(piece)) pieces.resize(piece + 1);
    pieces[piece] = sums;
  }

  // The whole matrix [n, n] of which the upper triangle was summed; none if nothing was.
  std::vector<double> take_symmetric(int64_t item, size_t n) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto pieces = std::exchange(pieces_[item], {});
    if (pieces.empty()) return {};
    std::vector<double> total(n * n, 0.0);
    for (const std::vector<double>& sums : pieces)
      for (size_t cell = 0; cell < total.size(); ++cell) total[cell] += sums[cell];
    for (size_t a = 0; a < n; ++a)
      for (size_t b = 0; b < a; ++b) total[a * n + b] = total[b * n + a];
    return total;
  }

 private:
  std::mutex mutex_;
  std::vector<std::vector<std::vector<double>>> pieces_;  // [item][piece][cell]
};

}  // namespace taujp::stream
