// Registers of floats from and to what checkpoints hold: fp32, fp16, bf16. Conversions round to
// nearest even and map every NaN to the same one, so that all levels and CUDA write the same bits.
// Included by core/level.h inside a level.
#pragma once
#include "core/lanes.h"
#include "core/tensor.h"

namespace taujp {
namespace TAUJP_LEVEL {

TAUJP_INLINE Floats one_nan(Floats x) { return select(x != x, floats_of(Words(0x7fc00000u)), x); }

TAUJP_INLINE Words widen(HalfBits halves) {
#if defined(TAUJP_AVX512)  // the compiler converts in two halves
  return Words((WordBits)_mm512_cvtepu16_epi32((__m256i)halves));
#elif defined(TAUJP_AVX2)
  return Words((WordBits)_mm256_cvtepu16_epi32((__m128i)halves));
#else
  return Words(__builtin_convertvector(halves, WordBits));
#endif
}
TAUJP_INLINE HalfBits narrow(Words words) {
#if defined(TAUJP_AVX512)
  return (HalfBits)_mm512_cvtepi32_epi16((__m512i)words.bits);
#else
  return __builtin_convertvector(words.bits, HalfBits);
#endif
}

TAUJP_INLINE Floats from_bf16(HalfBits halves) {
  return floats_of(Words(widen(halves).bits << 16));
}

TAUJP_INLINE HalfBits to_bf16(Floats x) {
  const Words bits = words_of(one_nan(x));
  return narrow((bits + Words(0x7fffu) + ((bits >> 16) & 1u)) >> 16);
}

TAUJP_INLINE Floats from_f16(HalfBits halves) {
#if defined(TAUJP_AVX512)
  return Floats((FloatBits)_mm512_cvtph_ps((__m256i)halves));
#elif defined(TAUJP_AVX2)
  return Floats((FloatBits)_mm256_cvtph_ps((__m128i)halves));
#else
  // Scaling by 2^112 moves the half's exponent bias to the float's, subnormals included.
  const Words half = widen(halves);
  const Words rest = Words((half & 0x7fffu).bits << 13);
  const Floats finite = floats_of(rest) * floats_of(Words(0x77800000u));
  const Words infinite = Words(rest.bits | 0x7f800000u);
  const Words value = select((half & 0x7c00u) == Words(0x7c00u), infinite, words_of(finite));
  return floats_of(Words(value.bits | ((half & 0x8000u).bits << 16)));
#endif
}

TAUJP_INLINE HalfBits to_f16(Floats x) {
  x = one_nan(x);
#if defined(TAUJP_AVX512)
  return (HalfBits)_mm512_cvtps_ph((__m512)x.bits, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#elif defined(TAUJP_AVX2)
  return (HalfBits)_mm256_cvtps_ph((__m256)x.bits, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
#else
  const Words bits = words_of(x), size = magnitude_bits(x);
  // Below 2^-14 the sum with 0.5 leaves the rounded subnormal in the low bits.
  const Words tiny = words_of(floats_of(size) + Floats(0.5f)) - Words(0x3f000000u);
  const Words normal = (size + Words(0xc8000fffu) + ((size >> 13) & 1u)) >> 13;
  Words half = select(size < Words(0x38800000u), tiny, normal);
  half = select(size < Words(0x477ff000u), half, Words(0x7c00u));
  half = select(size > Words(0x7f800000u), Words(0x7e00u), half);
  return narrow(Words(half.bits | ((bits >> 16) & 0x8000u).bits));
#endif
}

template <Dtype format>
TAUJP_INLINE Floats round_as(Floats x, As<format>) {
  if constexpr (format == Dtype::f16) return from_f16(to_f16(x));
  if constexpr (format == Dtype::bf16) return from_bf16(to_bf16(x));
  return x;
}

// Reads kLanes elements from element `index` on.
template <Dtype format>
TAUJP_INLINE Floats load(const void* data, int64_t index) {
  if constexpr (format == Dtype::f32) {
    FloatBits bits;
    memcpy(&bits, static_cast<const float*>(data) + index, sizeof bits);
    return Floats(bits);
  } else {
    HalfBits bits;
    memcpy(&bits, static_cast<const uint16_t*>(data) + index, sizeof bits);
    return format == Dtype::f16 ? from_f16(bits) : from_bf16(bits);
  }
}

template <Dtype format>
TAUJP_INLINE void store(void* data, int64_t index, Floats x) {
  if constexpr (format == Dtype::f32) {
    const FloatBits bits = one_nan(x).bits;
    memcpy(static_cast<float*>(data) + index, &bits, sizeof bits);
  } else {
    const HalfBits bits = format == Dtype::f16 ? to_f16(x) : to_bf16(x);
    memcpy(static_cast<uint16_t*>(data) + index, &bits, sizeof bits);
  }
}

// Stores past the caches: for results that are not read again soon. The address must be aligned
// to the bytes stored.
template <Dtype format>
TAUJP_INLINE void store_past_cache(void* data, int64_t index, Floats x) {
#if defined(TAUJP_AVX512)
  if constexpr (format == Dtype::f32) {
    _mm512_stream_ps(static_cast<float*>(data) + index, (__m512)one_nan(x).bits);
  } else {
    const HalfBits bits = format == Dtype::f16 ? to_f16(x) : to_bf16(x);
    _mm256_stream_si256((__m256i*)(static_cast<uint16_t*>(data) + index), (__m256i)bits);
  }
#elif defined(TAUJP_AVX2)
  if constexpr (format == Dtype::f32) {
    _mm256_stream_ps(static_cast<float*>(data) + index, (__m256)one_nan(x).bits);
  } else {
    const HalfBits bits = format == Dtype::f16 ? to_f16(x) : to_bf16(x);
    _mm_stream_si128((__m128i*)(static_cast<uint16_t*>(data) + index), (__m128i)bits);
  }
#else
  store<format>(data, index, x);
#endif
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
