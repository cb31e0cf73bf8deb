// Every formula. Included after the number type whose functions they call (core/lanes.h or
// core/scalar.h).
#pragma once
#include "merge/consensus.h"
#include "merge/divergence.h"
#include "merge/folds.h"
#include "merge/linear.h"
#include "merge/magmax.h"
#include "merge/magnitude.h"
#include "merge/nearswap.h"
#include "merge/odds.h"
#include "merge/ram.h"
#include "merge/ties.h"
#include "merge/variance.h"
