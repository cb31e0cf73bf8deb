// The portable level of the kernels: core/level.h says what is in it.
#define TAUJP_LEVEL portable
#define TAUJP_LEVEL_NAME "portable"
#define TAUJP_LANES 4
#include "core/level.h"

namespace taujp {
const Level& level_portable() { return portable::this_level; }
}  // namespace taujp
