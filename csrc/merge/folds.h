// Every fold by name and formula: a line here and its header in merge/all.h, and the CPU, every
// SIMD level and CUDA have it.
#pragma once

#define TAUJP_FOLDS(FOLD)                    \
  FOLD(linear, Linear)                       \
  FOLD(elect_weighted, WeightedElection)     \
  FOLD(elect_unweighted, UnweightedElection) \
  FOLD(largest, Largest)                     \
  FOLD(near, Near)                           \
  FOLD(own_or_mean, OwnOrMean)               \
  FOLD(consensus, Consensus)
