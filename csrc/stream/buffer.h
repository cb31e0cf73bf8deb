// Memory that is taken once and used for one tensor or tile after another.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace taujp::stream {

class Buffer {
 public:
  // At least `bytes`, aligned for any vector; what was in it is lost.
  char* of(int64_t bytes) {
    if (bytes <= capacity_) return memory_.get();
    memory_.reset();
    capacity_ = (bytes + 4095) / 4096 * 4096;
    memory_.reset(static_cast<char*>(std::aligned_alloc(4096, capacity_)));
    if (!memory_) throw std::bad_alloc();
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  std::unique_ptr<char, Free> memory_;
  int64_t capacity_ = 0;
};

// Room for that many bytes and the start of the next piece: on a vector's boundary, and not at the
// same place within a page as this piece, since pages at equal places share few cache ways.
inline int64_t skewed(int64_t bytes) { return (bytes + 63) / 64 * 64 + 320; }

}  // namespace taujp::stream
