// The tangents of the level that core/level.cpp picked.
#include <stdexcept>
#include <string>

#include "core/run.h"
#include "tangent/tangent_level.h"

namespace taujp {

static const TangentLevel& same_as(const std::string& name) {
  const TangentLevel* levels[] = {tangent_level_avx512(), tangent_level_avx2(),
                                  &tangent_level_portable(), &tangent_level_scalar()};
  for (const TangentLevel* level : levels)
    if (level != nullptr && name == level->name) return *level;
  throw std::logic_error("taujp: the tangents have no level '" + name + "'");
}

const TangentLevel& tangent_level(Dtype dtype) {
  static const TangentLevel& chosen = same_as(level().name);
  return dtype == Dtype::f64 ? tangent_level_scalar() : chosen;
}

}  // namespace taujp
