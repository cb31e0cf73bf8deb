// Many small arrays packed into one piece of device memory, sent in one copy. Reserve every array
// first, then allocate, then fill: pointers into the table may be part of what is filled in.
#pragma once
#include <cuda_runtime.h>

#include <cstring>
#include <vector>

#include "torch_rim.h"

namespace taujp {

inline void check_cuda(cudaError_t status, const char* what) {
  STD_TORCH_CHECK(status == cudaSuccess, "taujp: ", what, ": ", cudaGetErrorString(status));
}

class Table {
 public:
  template <class Item>
  size_t reserve(size_t items) {
    const size_t offset = size_;
    size_ += (items * sizeof(Item) + 255) / 256 * 256;
    return offset;
  }

  // Takes the memory from torch's allocator, on the device of `like`.
  void allocate(const Tensor& like) {
    memory_ = torch::stable::new_empty(like, {static_cast<int64_t>(size_)}, ScalarType::Byte);
    host_.assign(size_, 0);
  }

  template <class Item>
  Item* on_device(size_t offset) const {
    return reinterpret_cast<Item*>(static_cast<char*>(memory_.mutable_data_ptr()) + offset);
  }

  template <class Item>
  Item* on_host(size_t offset) {
    return reinterpret_cast<Item*>(host_.data() + offset);
  }

  template <class Item>
  Item* fill(size_t offset, const Item* items, size_t count) {
    if (count > 0) std::memcpy(host_.data() + offset, items, count * sizeof(Item));
    return on_device<Item>(offset);
  }

  void send(cudaStream_t stream) {
    if (size_ == 0) return;
    check_cuda(cudaMemcpyAsync(memory_.mutable_data_ptr(), host_.data(), size_,
                               cudaMemcpyHostToDevice, stream),
               "sending the parameters' table");
    check_cuda(cudaStreamSynchronize(stream), "sending the parameters' table");
  }

 private:
  size_t size_ = 0;
  Tensor memory_;
  std::vector<char> host_;
};

// Device memory for intermediate results, zeroed.
inline Tensor zeros(const Tensor& like, size_t bytes) {
  return torch::stable::new_zeros(like, {static_cast<int64_t>(bytes > 0 ? bytes : 1)},
                                  ScalarType::Byte);
}

}  // namespace taujp
