// The portable level of the tangents: tangent/level.h says what is in it.
#define TAUJP_LEVEL portable
#define TAUJP_LEVEL_NAME "portable"
#define TAUJP_LANES 4
#include "tangent/level.h"

namespace taujp {
const TangentLevel& tangent_level_portable() { return portable::this_tangent_level; }
}  // namespace taujp
