// The avx2 level of the tangents: tangent/level.h says what is in it.
#if defined(__x86_64__)
// Set before the first include: everything in this file, templates too, is compiled for it.
#if defined(__clang__)
#include <immintrin.h>
#include <cstdint>
#include <cstring>
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#else
#pragma GCC target("avx2,fma,f16c")
#endif
#define TAUJP_AVX2
#define TAUJP_LEVEL avx2
#define TAUJP_LEVEL_NAME "avx2"
#define TAUJP_LANES 8
#include "tangent/level.h"
#if defined(__clang__)
#pragma clang attribute pop
#endif

namespace taujp {
const TangentLevel* tangent_level_avx2() { return &avx2::this_tangent_level; }
}  // namespace taujp
#else
#include "tangent/tangent_level.h"

namespace taujp {
const TangentLevel* tangent_level_avx2() { return nullptr; }
}  // namespace taujp
#endif
