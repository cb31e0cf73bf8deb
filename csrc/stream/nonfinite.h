// Where the first NaN or infinity of a tensor is: looked for only after a merge has met one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "stream/file.h"

namespace taujp::stream {

// An exponent of all ones: NaN or infinity, in each of the formats.
inline bool is_nonfinite(const char* element, Dtype dtype) {
  if (dtype == Dtype::f32) {
    uint32_t bits;
    std::memcpy(&bits, element, sizeof(bits));
    return (bits & 0x7f800000u) == 0x7f800000u;
  }
  uint16_t bits;
  std::memcpy(&bits, element, sizeof(bits));
  const uint16_t exponent = dtype == Dtype::f16 ? 0x7c00u : 0x7f80u;
  return (bits & exponent) == exponent;
}

inline int64_t first_nonfinite_of(const char* elements, int64_t count, Dtype dtype) {
  const int64_t width = bytes_of(dtype);
  for (int64_t i = 0; i < count; ++i)
    if (is_nonfinite(elements + i * width, dtype)) return i;
  return -1;
}

// Index of the first, or -1. Without a path the elements are in memory and `offset` is an address.
inline int64_t first_nonfinite(const std::string& path, int64_t offset, int dtype_number,
                               int64_t elements) {
  const auto dtype = static_cast<Dtype>(dtype_number);
  if (path.empty())
    return first_nonfinite_of(reinterpret_cast<const char*>(offset), elements, dtype);
  const File file(path, O_RDONLY);
  constexpr int64_t step = 1 << 18;
  std::vector<char> part(step * bytes_of(dtype));
  for (int64_t first = 0; first < elements; first += step) {
    const int64_t count = std::min(step, elements - first);
    file.read_at(part.data(), count * bytes_of(dtype), offset + first * bytes_of(dtype));
    const int64_t found = first_nonfinite_of(part.data(), count, dtype);
    if (found >= 0) return first + found;
  }
  return -1;
}

}  // namespace taujp::stream
