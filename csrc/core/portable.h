// The few words that let one formula compile for a SIMD register, for a float on the GPU and for
// the host. Functions used by the SIMD levels are forced inline: an out-of-line copy compiled
// for AVX-512 could otherwise be picked by the linker for every processor.
#pragma once

#if defined(__CUDACC__)
#define TAUJP_INLINE __host__ __device__ __forceinline__
#else
#define TAUJP_INLINE inline __attribute__((always_inline))
#endif

// After a lambda's parameters.
#if defined(__CUDACC__)
#define TAUJP_INLINE_LAMBDA
#else
#define TAUJP_INLINE_LAMBDA __attribute__((always_inline))
#endif

// Before a loop over an array that is to stay in registers.
#if defined(__clang__) || defined(__CUDACC__)
#define TAUJP_UNROLL _Pragma("unroll")
#else
#define TAUJP_UNROLL _Pragma("GCC unroll 8")
#endif
