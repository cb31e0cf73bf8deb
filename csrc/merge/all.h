// Every formula. Included after the number type whose functions they call (core/lanes.h or
// core/scalar.h).
#pragma once
#include "merge/folds.h"
#include "merge/linear.h"
#include "merge/magmax.h"
#include "merge/magnitude.h"
#include "merge/ties.h"
