// The order of a row by magnitude, equal ones by index: a radix sort by the bits that differ.
#pragma once
#include <cstdint>

namespace taujp {

// Words whose low 32 bits are the elements' indices, the smallest abs(x) first; they lie in `room`,
// which has 2 * length words. length < 2^32.
const uint64_t* in_order(const float* row, int64_t length, uint64_t* room);

}  // namespace taujp
