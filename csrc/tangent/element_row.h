// A row read one element at a time: by a CUDA thread (cuda/warp_row.h) and by the host (below).
// A row formula sees
//   row.of(data, first[, otherwise])(j)  element first + j; `otherwise` where data is null
//   row.into(data, first).put(j, number)
//   row.one, row.put_one              a number that the whole row shares
//   row.statistic, row.put_statistic  the same in fp32, or fp64 where the row is
//   row.indicator(j, index)           1 for the element `index`, else 0
//   row.sum, row.max, row.each           over all j
#pragma once
#include "tangent/element.h"

namespace taujp {

template <Dtype format>
struct ElementRow {
  using Number = NumberOf<format>;
  int64_t width;

  struct Column {
    const void* data;
    Number otherwise;
    TAUJP_INLINE Number operator()(int64_t j) const {
      return data == nullptr ? otherwise : load_element<format>(data, j);
    }
  };
  struct Target {
    void* data;
    TAUJP_INLINE void put(int64_t j, Number x) const { store_element<format>(data, j, x); }
  };

  TAUJP_INLINE Column of(const void* data, int64_t first, Number otherwise = Number(0.0f)) const {
    return {advanced(data, first, format), otherwise};
  }
  TAUJP_INLINE Target into(void* data, int64_t first) const {
    return {static_cast<char*>(data) + first * static_cast<int64_t>(bytes_of(format))};
  }
  TAUJP_INLINE Number one(const void* data, int64_t index) const {
    return load_element<format>(data, index);
  }
  TAUJP_INLINE Number statistic(const void* data, int64_t index) const {
    return static_cast<const Number*>(data)[index];
  }
  TAUJP_INLINE Number indicator(int64_t j, int64_t index) const {
    return Number(j == index ? 1.0f : 0.0f);
  }
  TAUJP_INLINE void put_as(void* data, Dtype dtype, int64_t first, int64_t j, Number x) const {
    if constexpr (format == Dtype::f64)
      static_cast<double*>(data)[first + j] = x;
    else
      store(taujp::Target{data, dtype}, first + j, x);
  }
};

// The whole row by one thread of the host: the level "scalar", and fp64.
template <Dtype format>
struct HostRow : ElementRow<format> {
  using Number = NumberOf<format>;

  void put_one(void* data, int64_t index, Number x) const { store_element<format>(data, index, x); }
  void put_statistic(void* data, int64_t index, Number x) const {
    static_cast<Number*>(data)[index] = x;
  }

  template <class Visit>
  void each(Visit visit) const {
    for (int64_t j = 0; j < this->width; ++j) visit(j);
  }
  template <class Term>
  Number sum(Term term) const {
    Number sums[kSumLanes] = {};
    for (int64_t j = 0; j < this->width; ++j) sums[j % kSumLanes] = sums[j % kSumLanes] + term(j);
    for (int half = kSumLanes / 2; half > 0; half /= 2)
      for (int lane = 0; lane < half; ++lane) sums[lane] = sums[lane] + sums[lane + half];
    return sums[0];
  }
  template <class Term>
  Number max(Term term) const {
    Number most(-INFINITY);
    for (int64_t j = 0; j < this->width; ++j) most = larger(term(j), most);
    return most;
  }
};

}  // namespace taujp
