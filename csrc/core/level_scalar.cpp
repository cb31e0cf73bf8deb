// The level "scalar": what a CUDA thread does, one element after another on the host. Slow; there
// to hold the code that CUDA runs against the SIMD levels (TAUJP_SIMD=scalar).
#include "core/element.h"

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

void count_digits(const Run& run, const RankQuery* queries, int ranks, int64_t* histograms) {
  for (int i = 0; i < run.checkpoints; ++i)
    for (int rank = 0; rank < (queries[i].round == 0 ? 1 : ranks); ++rank)
      for (int64_t j = run.begin; j < run.end; ++j) {
        const int digit = digit_of(tau_as_asked(run, i, j), queries[i], rank);
        if (digit >= 0) ++histograms[(static_cast<int64_t>(i) * ranks + rank) * kDigits + digit];
      }
}

void gather(const Run& run, const Bracket* brackets, int ranks, int64_t room, int64_t* above,
            uint32_t* between, int64_t* counts) {
  for (int i = 0; i < run.checkpoints; ++i)
    for (int cell = i * ranks; cell < (i + 1) * ranks; ++cell)
      for (int64_t j = run.begin; j < run.end; ++j) {
        const uint32_t bits = magnitude_bits(tau_as_asked(run, i, j));
        above[cell] += bits > brackets[cell].high;
        if (bits >= brackets[cell].low && bits <= brackets[cell].high)
          between[cell * room + counts[cell]++] = bits;
      }
}

void count_equal(const Run& run, const uint32_t* bits, int ranks, int64_t* counts) {
  for (int i = 0; i < run.checkpoints; ++i)
    for (int rank = 0; rank < ranks; ++rank)
      for (int64_t j = run.begin; j < run.end; ++j)
        counts[i * ranks + rank] +=
            magnitude_bits(tau_as_asked(run, i, j)) == bits[i * ranks + rank];
}

template <class Term>
double tree_sum(int64_t begin, int64_t end, Term term) {
  double lanes[16];
  for (int lane = 0; lane < 16; ++lane) lanes[lane] = lane_sum(begin, end, lane, term);
  for (int half = 8; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  return lanes[0];
}

void sum_magnitudes(const Run& run, double* sums) {
  for (int i = 0; i < run.checkpoints; ++i) {
    sums[i] +=
        tree_sum(run.begin, run.end, [&](int64_t j) { return absolute(tau_as_asked(run, i, j)); });
    sums[run.checkpoints + i] += tree_sum(run.begin, run.end, [&](int64_t j) {
      return absolute(sparsified<Exact>(run, i, j, tau_as_asked(run, i, j)));
    });
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

const Level this_level = {"scalar",    merge,          count_digits, gather,
                          count_equal, sum_magnitudes, sum_products};

}  // namespace

const Level& level_scalar() { return this_level; }

}  // namespace taujp
