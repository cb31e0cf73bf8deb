// A number that is one float, with the operations of core/lanes.h: what a CUDA thread computes
// with. It compiles for the host as well (the level "scalar"), where tests hold it against the
// SIMD levels bit by bit.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/portable.h"
#include "core/tensor.h"

namespace taujp {

TAUJP_INLINE uint32_t words_of(float x) {
#if defined(__CUDA_ARCH__)
  return __float_as_uint(x);
#else
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
#endif
}

TAUJP_INLINE float floats_of(uint32_t bits) {
#if defined(__CUDA_ARCH__)
  return __uint_as_float(bits);
#else
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
#endif
}

TAUJP_INLINE float fma(float a, float b, float c) { return fmaf(a, b, c); }
TAUJP_INLINE float select(bool condition, float a, float b) { return condition ? a : b; }
TAUJP_INLINE uint32_t magnitude_bits(float x) { return words_of(x) & 0x7fffffffu; }
TAUJP_INLINE float absolute(float x) { return floats_of(magnitude_bits(x)); }
TAUJP_INLINE float one_nan(float x) { return x != x ? floats_of(0x7fc00000u) : x; }

TAUJP_INLINE uint16_t to_bf16(float x) {
  const uint32_t bits = words_of(one_nan(x));
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

TAUJP_INLINE float from_bf16(uint16_t half) { return floats_of(static_cast<uint32_t>(half) << 16); }

TAUJP_INLINE uint16_t to_f16(float x) {
  const uint32_t bits = words_of(one_nan(x)), size = bits & 0x7fffffffu;
  uint32_t half;
  if (size > 0x7f800000u)
    half = 0x7e00u;
  else if (size >= 0x477ff000u)
    half = 0x7c00u;
  else if (size < 0x38800000u)
    half = words_of(floats_of(size) + 0.5f) - 0x3f000000u;
  else
    half = (size + 0xc8000fffu + (size >> 13 & 1u)) >> 13;
  return static_cast<uint16_t>(half | (bits >> 16 & 0x8000u));
}

TAUJP_INLINE float from_f16(uint16_t half) {
  const uint32_t rest = static_cast<uint32_t>(half & 0x7fffu) << 13;
  const uint32_t value =
      (half & 0x7c00u) == 0x7c00u ? rest | 0x7f800000u : words_of(floats_of(rest) * 0x1p112f);
  return floats_of(value | static_cast<uint32_t>(half & 0x8000u) << 16);
}

template <Dtype format>
TAUJP_INLINE float round_as(float x, As<format>) {
  return format == Dtype::f16    ? from_f16(to_f16(x))
         : format == Dtype::bf16 ? from_bf16(to_bf16(x))
                                 : x;
}

TAUJP_INLINE float load(const Source& source, int64_t index) {
  switch (source.dtype) {
    case Dtype::f32: return static_cast<const float*>(source.data)[index];
    case Dtype::f16: return from_f16(static_cast<const uint16_t*>(source.data)[index]);
    default: return from_bf16(static_cast<const uint16_t*>(source.data)[index]);
  }
}

TAUJP_INLINE void store(const Target& target, int64_t index, float x) {
  switch (target.dtype) {
    case Dtype::f32: static_cast<float*>(target.data)[index] = one_nan(x); break;
    case Dtype::f16: static_cast<uint16_t*>(target.data)[index] = to_f16(x); break;
    default: static_cast<uint16_t*>(target.data)[index] = to_bf16(x);
  }
}

}  // namespace taujp
