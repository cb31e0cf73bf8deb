// Every fold by name: add a line, and the CPU, every SIMD level and CUDA have it.
#pragma once
#include "merge/linear.h"
#include "merge/magmax.h"
#include "merge/ties.h"

#define TAUJP_FOLDS(FOLD)                      \
  FOLD(linear, Linear)                         \
  FOLD(elect_weighted, WeightedElection)       \
  FOLD(elect_unweighted, UnweightedElection)   \
  FOLD(largest, Largest)
