// The order of a row by magnitude: a radix sort of (abs(x), index) by the bytes of abs(x).
#pragma once
#include <cstdint>

namespace taujp {

// Words whose low 32 bits are the elements' indices, the smallest magnitude first, equal ones by
// index; they lie in `room`, which has 2 * length words. length < 2^32.
const uint64_t* in_order(const float* row, int64_t length, uint64_t* room);

}  // namespace taujp
