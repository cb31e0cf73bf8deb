// The few words that let one formula compile for a SIMD register, for a float on the GPU and for
// the host. Functions used by the SIMD levels are forced inline: an out-of-line copy compiled
// for AVX-512 could otherwise be picked by the linker for every processor.
#pragma once

#if defined(__CUDACC__)
#define TAUJP_INLINE __host__ __device__ __forceinline__
#else
#define TAUJP_INLINE inline __attribute__((always_inline))
#endif
