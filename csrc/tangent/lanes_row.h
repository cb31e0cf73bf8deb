// A row read a register at a time: what tangent/element_row.h describes, for a SIMD level.
// Included by tangent/level.h inside a level, after core/lanes.h.
#pragma once
#include "core/lane_formats.h"
#include "tangent/element.h"

namespace taujp {
namespace TAUJP_LEVEL {

TAUJP_INLINE Floats square_root(Floats x) { return Floats(__builtin_sqrtf(x.bits[0])); }

// kLanes elements from j on, or the first `count` of them where the row ends.
struct Whole {
  int64_t j;
};
struct Rest {
  int64_t j, count;
};

template <Dtype format>
TAUJP_INLINE Floats read(const void* data, Whole at) {
  return load<format>(data, at.j);
}
// As if zeros followed.
template <Dtype format>
TAUJP_INLINE Floats read(const void* data, Rest at) {
  alignas(64) char buffer[4 * kLanes] = {};
  memcpy(buffer, static_cast<const char*>(data) + at.j * bytes_of(format),
         at.count * bytes_of(format));
  return load<format>(buffer, 0);
}

template <Dtype format>
TAUJP_INLINE void write(void* data, Whole at, Floats x) {
  store<format>(data, at.j, x);
}
template <Dtype format>
TAUJP_INLINE void write(void* data, Rest at, Floats x) {
  alignas(64) char buffer[4 * kLanes];
  store<format>(buffer, 0, x);
  memcpy(static_cast<char*>(data) + at.j * bytes_of(format), buffer, at.count * bytes_of(format));
}

TAUJP_INLINE Mask inside(Rest at) {
  return lane_numbers() < Words(static_cast<uint32_t>(at.count));
}

// The register's lanes l and l ^ half exchanged.
template <int half>
TAUJP_INLINE Floats exchanged(Floats x) {
#if defined(__clang__)
  Floats y;
  for (int lane = 0; lane < kLanes; ++lane) y.bits[lane] = x.bits[lane ^ half];
  return y;
#else
  WordBits order;
  for (int lane = 0; lane < kLanes; ++lane) order[lane] = static_cast<uint32_t>(lane ^ half);
  return Floats(__builtin_shuffle(x.bits, order));
#endif
}

// All lanes as one number, by halves: the last steps of kSumLanes' tree. Every lane gets it.
template <class Combine>
TAUJP_INLINE Floats across(Floats x, Combine combine) {
  if constexpr (kLanes > 8) x = combine(x, exchanged<8>(x));
  if constexpr (kLanes > 4) x = combine(x, exchanged<4>(x));
  x = combine(x, exchanged<2>(x));
  return combine(x, exchanged<1>(x));
}

template <Dtype format>
struct LanesRow {
  using Number = Floats;
  int64_t width;

  struct Column {
    const void* data;
    Floats otherwise;
    template <class At>
    TAUJP_INLINE Floats operator()(At at) const {
      return data == nullptr ? otherwise : read<format>(data, at);
    }
  };
  struct Into {
    void* data;
    template <class At>
    TAUJP_INLINE void put(At at, Floats x) const {
      write<format>(data, at, x);
    }
  };

  TAUJP_INLINE Column of(const void* data, int64_t first, Floats otherwise = Floats(0.0f)) const {
    return {advanced(data, first, format), otherwise};
  }
  TAUJP_INLINE Into into(void* data, int64_t first) const {
    return {static_cast<char*>(data) + first * bytes_of(format)};
  }
  TAUJP_INLINE Floats one(const void* data, int64_t index) const {
    return Floats(load_element<format>(data, index));
  }
  TAUJP_INLINE Floats statistic(const void* data, int64_t index) const {
    return Floats(static_cast<const float*>(data)[index]);
  }
  TAUJP_INLINE void put_one(void* data, int64_t index, Floats x) const {
    store_element<format>(data, index, x.bits[0]);
  }
  TAUJP_INLINE void put_statistic(void* data, int64_t index, Floats x) const {
    static_cast<float*>(data)[index] = x.bits[0];
  }
  template <class At>
  TAUJP_INLINE Floats indicator(At at, int64_t index) const {
    const Words lane(static_cast<uint32_t>(index - at.j));
    return select(lane_numbers() == lane, Floats(1.0f), Floats(0.0f));
  }
  template <class At>
  TAUJP_INLINE void put_as(void* data, Dtype dtype, int64_t first, At at, Floats x) const {
    at.j += first;
    switch (dtype) {
      case Dtype::f32: return write<Dtype::f32>(data, at, x);
      case Dtype::f16: return write<Dtype::f16>(data, at, x);
      default: return write<Dtype::bf16>(data, at, x);
    }
  }

  template <class Visit>
  TAUJP_INLINE void each(Visit visit) const {
    int64_t j = 0;
    for (; j + kLanes <= width; j += kLanes) visit(Whole{j});
    if (j < width) visit(Rest{j, width - j});
  }
  template <class Term>
  TAUJP_INLINE Floats sum(Term term) const;
  template <class Term>
  TAUJP_INLINE Floats max(Term term) const;
};

// In the order of kSumLanes.
template <Dtype format>
template <class Term>
TAUJP_INLINE Floats LanesRow<format>::sum(Term term) const {
  constexpr int parts = kSumLanes / kLanes;
  Floats sums[parts];
  for (int part = 0; part < parts; ++part) sums[part] = Floats(0.0f);
  int64_t j = 0;
  for (; j + kSumLanes <= width; j += kSumLanes)
    for (int part = 0; part < parts; ++part)
      sums[part] = sums[part] + term(Whole{j + part * kLanes});
  for (int part = 0; part < parts; ++part, j += kLanes) {
    if (j + kLanes <= width) {
      sums[part] = sums[part] + term(Whole{j});
    } else if (j < width) {
      const Rest rest{j, width - j};
      sums[part] = sums[part] + select(inside(rest), term(rest), Floats(0.0f));
    }
  }
  for (int half = parts / 2; half > 0; half /= 2)
    for (int part = 0; part < half; ++part) sums[part] = sums[part] + sums[part + half];
  return across(sums[0], [](Floats a, Floats b) TAUJP_INLINE_LAMBDA { return a + b; });
}

template <Dtype format>
template <class Term>
TAUJP_INLINE Floats LanesRow<format>::max(Term term) const {
  const float lowest = -__builtin_inff();
  Floats most(lowest);
  int64_t j = 0;
  for (; j + kLanes <= width; j += kLanes) most = larger(term(Whole{j}), most);
  if (j < width) {
    const Rest rest{j, width - j};
    most = larger(select(inside(rest), term(rest), Floats(lowest)), most);
  }
  return across(most, [](Floats a, Floats b) TAUJP_INLINE_LAMBDA { return larger(a, b); });
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
