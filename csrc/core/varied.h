// SCE: which elements of a parameter vary most over all checkpoints.
#pragma once
#include "core/survivors.h"
#include "core/view.h"

namespace taujp {

// The floor(density * c) largest variances (equal ones: the lowest indices), where c have any: the
// sieves that keep them, and what they keep, so that it is measured once.
Survivors varied(const Recipe& recipe, const View& view);

}  // namespace taujp
