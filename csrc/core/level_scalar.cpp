// The level "scalar": what a CUDA thread does, one element after another on the host. Slow; there
// to hold the code that CUDA runs against the SIMD levels (TAUJP_SIMD=scalar).
#include <algorithm>

#include "core/scalar_rows.h"

namespace taujp {
namespace {

struct MergeEach {
  const Run& merge;
  float poison = 0.0f;

  template <class Steps, template <class, class> class Formula>
  void run() {
    for (int64_t j = merge.begin; j < merge.end; ++j) poison += merge_at<Steps, Formula>(merge, j);
  }
};

bool merge(const Run& run) {
  MergeEach each{run};
  with_formula(run.fold, run.rounding, each);
  return each.poison != 0.0f;
}

int measures_of(const Run& run) { return run.measure == Measure::variance ? 1 : run.checkpoints; }

void count_digits(const Run& run, const RankQuery* queries, int ranks, int64_t* histograms) {
  for (int i = 0; i < measures_of(run); ++i)
    for (int rank = 0; rank < (queries[i].round == 0 ? 1 : ranks); ++rank)
      for (int64_t j = run.begin; j < run.end; ++j) {
        const int digit = digit_of(measure_at(run, i, j), queries[i], rank);
        if (digit >= 0) ++histograms[(static_cast<int64_t>(i) * ranks + rank) * kDigits + digit];
      }
}

void gather(const Run& run, const Bracket* brackets, int ranks, int64_t room, int64_t* above,
            uint32_t* between, int64_t* counts) {
  for (int i = 0; i < measures_of(run); ++i)
    for (int cell = i * ranks; cell < (i + 1) * ranks; ++cell)
      for (int64_t j = run.begin; j < run.end; ++j) {
        const uint32_t bits = magnitude_bits(measure_at(run, i, j));
        above[cell] += bits > brackets[cell].high;
        if (bits >= brackets[cell].low && bits <= brackets[cell].high)
          between[cell * room + counts[cell]++] = bits;
      }
}

NoteCounts note(const Run& run, const Bracket& bracket, const Notes& notes) {
  NoteCounts counts{};
  for (int64_t j = run.begin; j < run.end; ++j) {
    const uint32_t bits = magnitude_bits(variance_at(run, j));
    const int64_t place = j - run.begin;
    const uint64_t bit = uint64_t{1} << (place % 64);
    counts.nonzero += bits > 0;
    if (bits > bracket.high) {
      notes.above[place / 64] |= bit;
      ++counts.above;
    } else if (bits >= bracket.low) {
      notes.within[place / 64] |= bit;
      notes.values[counts.within++] = bits;
    }
  }
  return counts;
}

void count_equal(const Run& run, const uint32_t* bits, int ranks, int64_t* counts) {
  for (int i = 0; i < measures_of(run); ++i)
    for (int rank = 0; rank < ranks; ++rank)
      for (int64_t j = run.begin; j < run.end; ++j)
        counts[i * ranks + rank] += magnitude_bits(measure_at(run, i, j)) == bits[i * ranks + rank];
}

void sum_magnitudes(const Run& run, double* sums) {
  for (int i = 0; i < run.checkpoints; ++i) {
    sums[i] +=
        tree_sum(run.begin, run.end, [&](int64_t j) { return absolute(tau_as_asked(run, i, j)); });
    if (run.sieves == nullptr) continue;
    sums[run.checkpoints + i] +=
        tree_sum(run.begin, run.end, [&](int64_t j) { return absolute(survivor_at(run, i, j)); });
  }
}

void sum_products(const Run& run, int left, double* products) {
  for (int64_t first = run.begin; first < run.end; first += kRow)
    for (int a = 0; a < left; ++a)
      for (int b = a; b < run.results; ++b)
        products[a * run.results + b] +=
            tree_sum(first, first + kRow < run.end ? first + kRow : run.end, [&](int64_t j) {
              return static_cast<double>(combined_at(run, a, j)) * combined_at(run, b, j);
            });
}

void sum_squares(const Run& run, double* sums) {
  for (int64_t first = run.begin; first < run.end; first += kRow)
    for (int i = 0; i < run.checkpoints; ++i)
      sums[i] += tree_sum(first, std::min(first + kRow, run.end), [&](int64_t j) {
        const double tau = survivor_at(run, i, j);
        return tau * tau;
      });
}

void count_changes(const Run& run, float least, int64_t* counts) {
  for (int64_t j = run.begin; j < run.end; ++j) {
    const auto changed = [&](int i) { return absolute(survivor_at(run, i, j)) > least; };
    int sharers = 0;
    for (int i = 0; i < run.checkpoints; ++i) sharers += changed(i);
    for (int i = 0; i < run.checkpoints; ++i) {
      counts[i] += changed(i);
      counts[run.checkpoints + i] += changed(i) && sharers == 1;
    }
  }
}

float divergence_of_row(const Run& run, int i, int64_t begin, int64_t end) {
  const RowLargest largest = largest_of_row(run, i, begin, end, 1);
  const double old =
      tree_sum(begin, end, [&](int64_t j) { return weights_at(run, i, j, largest).old; });
  const double second =
      tree_sum(begin, end, [&](int64_t j) { return weights_at(run, i, j, largest).second; });
  const RowSums sums = row_sums(old, second, largest);
  return static_cast<float>(
      tree_sum(begin, end, [&](int64_t j) { return divergence_at(run, i, j, largest, sums); }));
}

void divergences(const Run& run, int i, float* factors) {
  for (int64_t begin = run.begin; begin < run.end; begin += run.row)
    *factors++ = divergence_of_row(run, i, begin, begin + run.row);
}

const Level this_level = {"scalar",    merge,          count_digits, gather,      note,
                          count_equal, sum_magnitudes, sum_products, sum_squares, count_changes,
                          divergences, thin,           choose};

}  // namespace

const Level& level_scalar() { return this_level; }

}  // namespace taujp
