// What the kernels know of a tensor: where its elements lie, how many, and in which format.
#pragma once
#include <cstddef>
#include <cstdint>

#include "core/portable.h"

namespace taujp {

// The merges know the first three; the tangents f64 as well.
enum class Dtype : int32_t { f32 = 0, f16 = 1, bf16 = 2, f64 = 3 };

TAUJP_INLINE constexpr size_t bytes_of(Dtype dtype) {
  return dtype == Dtype::f64 ? 8 : dtype == Dtype::f32 ? 4 : 2;
}

// A format as an argument, where a formula picks an overload by it.
template <Dtype>
struct As {};

// Contiguous elements to read. No data: there is no such tensor (a merge without a base).
struct Source {
  const void* data = nullptr;
  Dtype dtype = Dtype::f32;
};

// Contiguous elements to write.
struct Target {
  void* data = nullptr;
  Dtype dtype = Dtype::f32;
};

TAUJP_INLINE Source advanced(Source source, int64_t elements) {
  if (source.data == nullptr) return source;
  return {static_cast<const char*>(source.data) + elements * bytes_of(source.dtype), source.dtype};
}

TAUJP_INLINE Target advanced(Target target, int64_t elements) {
  return {static_cast<char*>(target.data) + elements * bytes_of(target.dtype), target.dtype};
}

}  // namespace taujp
