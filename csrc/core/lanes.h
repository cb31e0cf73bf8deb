// One SIMD register of floats, with the operators of a number: formulas written for a float read
// the same here. Included once by each level (core/level.h), inside that level's namespace, with
//   TAUJP_LANES     floats a register
//   TAUJP_AVX512, TAUJP_AVX2 or neither (portable: the compiler's vector extensions, NEON's fma).
#pragma once
#include <cstdint>
#include <cstring>

#include "core/portable.h"

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace taujp {
namespace TAUJP_LEVEL {

constexpr int kLanes = TAUJP_LANES;

typedef float FloatBits __attribute__((vector_size(4 * TAUJP_LANES)));
typedef uint32_t WordBits __attribute__((vector_size(4 * TAUJP_LANES)));
typedef int32_t MaskBits __attribute__((vector_size(4 * TAUJP_LANES)));
typedef uint16_t HalfBits __attribute__((vector_size(2 * TAUJP_LANES)));

struct Mask {
  MaskBits bits;
};

struct Words {
  WordBits bits;
  TAUJP_INLINE Words() = default;
  TAUJP_INLINE explicit Words(WordBits value) : bits(value) {}
  TAUJP_INLINE explicit Words(uint32_t value) : bits(value - WordBits{}) {}
};

struct Floats {
  FloatBits bits;
  TAUJP_INLINE Floats() = default;
  TAUJP_INLINE explicit Floats(FloatBits value) : bits(value) {}
  TAUJP_INLINE explicit Floats(float value) : bits(value - FloatBits{}) {}
};

TAUJP_INLINE Mask operator&(Mask a, Mask b) { return {a.bits & b.bits}; }
TAUJP_INLINE Mask operator|(Mask a, Mask b) { return {a.bits | b.bits}; }
TAUJP_INLINE Mask operator~(Mask a) { return {~a.bits}; }

TAUJP_INLINE Words operator+(Words a, Words b) { return Words(a.bits + b.bits); }
TAUJP_INLINE Words operator-(Words a, Words b) { return Words(a.bits - b.bits); }
TAUJP_INLINE Words operator*(Words a, uint32_t b) { return Words(a.bits * b); }
TAUJP_INLINE Words operator^(Words a, Words b) { return Words(a.bits ^ b.bits); }
TAUJP_INLINE Words operator&(Words a, uint32_t b) { return Words(a.bits & b); }
TAUJP_INLINE Words operator>>(Words a, int shift) { return Words(a.bits >> shift); }
TAUJP_INLINE Words operator<<(Words a, int shift) { return Words(a.bits << shift); }
TAUJP_INLINE Mask operator==(Words a, Words b) { return {a.bits == b.bits}; }
TAUJP_INLINE Mask operator<(Words a, Words b) { return {a.bits < b.bits}; }
TAUJP_INLINE Mask operator>(Words a, Words b) { return {a.bits > b.bits}; }

TAUJP_INLINE Floats operator+(Floats a, Floats b) { return Floats(a.bits + b.bits); }
TAUJP_INLINE Floats operator-(Floats a, Floats b) { return Floats(a.bits - b.bits); }
TAUJP_INLINE Floats operator*(Floats a, Floats b) { return Floats(a.bits * b.bits); }
TAUJP_INLINE Floats operator/(Floats a, Floats b) { return Floats(a.bits / b.bits); }
TAUJP_INLINE Mask operator<(Floats a, Floats b) { return {a.bits < b.bits}; }
TAUJP_INLINE Mask operator>(Floats a, Floats b) { return {a.bits > b.bits}; }
TAUJP_INLINE Mask operator>=(Floats a, Floats b) { return {a.bits >= b.bits}; }
TAUJP_INLINE Mask operator==(Floats a, Floats b) { return {a.bits == b.bits}; }
TAUJP_INLINE Mask operator!=(Floats a, Floats b) { return {a.bits != b.bits}; }

TAUJP_INLINE Words words_of(Floats a) { return Words((WordBits)a.bits); }
TAUJP_INLINE Floats floats_of(Words a) { return Floats((FloatBits)a.bits); }
TAUJP_INLINE Words magnitude_bits(Floats a) { return words_of(a) & 0x7fffffffu; }
TAUJP_INLINE Floats absolute(Floats a) { return floats_of(magnitude_bits(a)); }
TAUJP_INLINE Floats select(Mask m, Floats a, Floats b) { return Floats(m.bits ? a.bits : b.bits); }
TAUJP_INLINE Words select(Mask m, Words a, Words b) { return Words(m.bits ? a.bits : b.bits); }

TAUJP_INLINE Floats fma(Floats a, Floats b, Floats c) {
#if defined(TAUJP_AVX512)
  return Floats((FloatBits)_mm512_fmadd_ps((__m512)a.bits, (__m512)b.bits, (__m512)c.bits));
#elif defined(TAUJP_AVX2)
  return Floats((FloatBits)_mm256_fmadd_ps((__m256)a.bits, (__m256)b.bits, (__m256)c.bits));
#elif defined(__aarch64__)
  return Floats(
      (FloatBits)vfmaq_f32((float32x4_t)c.bits, (float32x4_t)a.bits, (float32x4_t)b.bits));
#else
  for (int lane = 0; lane < kLanes; ++lane)
    c.bits[lane] = __builtin_fmaf(a.bits[lane], b.bits[lane], c.bits[lane]);
  return c;
#endif
}

// table[index], of a table that fits registers.
constexpr int kTable = 32;
TAUJP_INLINE Words look_up(const uint32_t* table, Words index) {
#if defined(TAUJP_AVX512)
  return Words((WordBits)_mm512_permutex2var_epi32(_mm512_loadu_si512(table), (__m512i)index.bits,
                                                   _mm512_loadu_si512(table + 16)));
#elif defined(TAUJP_AVX2)
  return Words((WordBits)_mm256_i32gather_epi32((const int*)table, (__m256i)index.bits, 4));
#else
  for (int lane = 0; lane < kLanes; ++lane) index.bits[lane] = table[index.bits[lane]];
  return index;
#endif
}

// 0, 1, 2, ... across the register.
TAUJP_INLINE Words lane_numbers() {
  WordBits numbers;
  for (int lane = 0; lane < kLanes; ++lane) numbers[lane] = static_cast<uint32_t>(lane);
  return Words(numbers);
}

// Bit l is set where lane l is true.
TAUJP_INLINE uint32_t lane_set(Mask m) {
#if defined(TAUJP_AVX512)
  return _mm512_test_epi32_mask((__m512i)m.bits, (__m512i)m.bits);
#elif defined(TAUJP_AVX2)
  return static_cast<uint32_t>(_mm256_movemask_ps((__m256)m.bits));
#else
  uint32_t set = 0;
  for (int lane = 0; lane < kLanes; ++lane) set |= (m.bits[lane] & 1u) << lane;
  return set;
#endif
}

TAUJP_INLINE bool any(Mask m) { return lane_set(m) != 0; }

// Writes the lanes of the set one after another; lanes behind them may be written as well.
TAUJP_INLINE int append(uint32_t* out, Words words, uint32_t set) {
#if defined(TAUJP_AVX512)
  const __m512i packed =
      _mm512_maskz_compress_epi32(static_cast<__mmask16>(set), (__m512i)words.bits);
  memcpy(out, &packed, sizeof packed);
#else
  for (uint32_t left = set; left != 0; left &= left - 1) *out++ = words.bits[__builtin_ctz(left)];
#endif
  return __builtin_popcount(set);
}

// x where bit l of the set is there for lane l, else 0.
TAUJP_INLINE Floats only(uint32_t set, Floats x) {
#if defined(TAUJP_AVX512)
  return Floats((FloatBits)_mm512_maskz_mov_ps(static_cast<__mmask16>(set), (__m512)x.bits));
#else
  const Words bit(WordBits((Words(set).bits >> lane_numbers().bits) & 1u));
  return select(bit == Words(1u), x, Floats(0.0f));
#endif
}

}  // namespace TAUJP_LEVEL
}  // namespace taujp
