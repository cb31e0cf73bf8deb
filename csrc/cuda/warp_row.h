// A row read by one warp, lane l taking the elements l, l + 32, ...: what tangent/element_row.h
// describes, with the sums of tangent/element.h's order. A lane reads again only what it wrote.
#pragma once
#include "tangent/element_row.h"

namespace taujp {

constexpr unsigned kWholeWarp = 0xffffffffu;
constexpr int kWarp = 32;

template <Dtype format>
struct WarpRow : ElementRow<format> {
  using Number = NumberOf<format>;

  __device__ static int lane() { return threadIdx.x % kWarp; }

  __device__ void put_one(void* data, int64_t index, Number x) const {
    if (lane() == 0) store_element<format>(data, index, x);
  }
  __device__ void put_statistic(void* data, int64_t index, Number x) const {
    if (lane() == 0) static_cast<Number*>(data)[index] = x;
  }
  template <class Visit>
  __device__ void each(Visit visit) const {
    for (int64_t j = lane(); j < this->width; j += kWarp) visit(j);
  }
  template <class Term>
  __device__ Number sum(Term term) const {
    Number total(0.0f);
    for (int64_t j = lane(); j < this->width; j += kWarp) total = total + term(j);
    for (int half = kWarp / 2; half > 0; half /= 2)
      total = total + __shfl_xor_sync(kWholeWarp, total, half);
    return total;
  }
  template <class Term>
  __device__ Number max(Term term) const {
    Number most(-INFINITY);
    for (int64_t j = lane(); j < this->width; j += kWarp) most = larger(term(j), most);
    for (int half = kWarp / 2; half > 0; half /= 2)
      most = larger(__shfl_xor_sync(kWholeWarp, most, half), most);
    return most;
  }
};

}  // namespace taujp
