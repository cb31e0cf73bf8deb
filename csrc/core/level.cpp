// Picks the SIMD level once, when the first kernel runs.
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "core/run.h"

namespace taujp {

[[maybe_unused]] static const Level* available(const Level* level, bool here) {
  return here ? level : nullptr;
}

static const Level* find_avx512() {
#if defined(__x86_64__)
  return available(level_avx512(),
                   __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                       __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"));
#else
  return nullptr;
#endif
}

static const Level* find_avx2() {
#if defined(__x86_64__)
  return available(level_avx2(), __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                                     __builtin_cpu_supports("f16c"));
#else
  return nullptr;
#endif
}

static const Level& choose() {
  const Level* levels[] = {find_avx512(), find_avx2(), &level_portable(), &level_scalar()};
  const char* wanted = std::getenv("TAUJP_SIMD");
  for (const Level* level : levels)
    if (level != nullptr && (wanted == nullptr || std::string(wanted) == level->name))
      return *level;
  throw std::runtime_error(
      "TAUJP_SIMD is '" + std::string(wanted) +
      "'; this build and processor offer avx512, avx2 (x86-64 with the "
      "instructions), portable and scalar. Unset it to have the best one picked.");
}

const Level& level() {
  static const Level& chosen = choose();
  return chosen;
}

}  // namespace taujp
