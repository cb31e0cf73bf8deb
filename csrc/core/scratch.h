// Memory for the rows of one thread, aligned to a cache line.
#pragma once
#include <cstdlib>
#include <memory>
#include <new>

namespace taujp {

struct FreeScratch {
  void operator()(float* memory) const { std::free(memory); }
};
using Scratch = std::unique_ptr<float, FreeScratch>;

inline Scratch make_scratch(int64_t floats) {
  void* memory = nullptr;
  if (posix_memalign(&memory, 64, floats * sizeof(float)) != 0) throw std::bad_alloc();
  return Scratch(static_cast<float*>(memory));
}

}  // namespace taujp
