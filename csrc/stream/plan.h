// What a job is asked to do: files in, files out, and a list of tensors.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "core/recipe.h"
#include "core/tensor.h"

namespace taujp::stream {

constexpr int32_t kMemory = -1;  // instead of a file's number: the offset is an address

// Where the bytes of a tensor begin.
struct Place {
  int32_t file = kMemory;
  int64_t offset = 0;
  int32_t width = 1;         // bytes of an element
  Dtype dtype = Dtype::f32;  // of no meaning in a copy
};

// One tensor. A merge reads the base (if the job has one) and N checkpoints; a copy reads one
// source and moves its bytes as they are (a copy to nowhere takes a fingerprint). Where a plan asks
// for products, a tensor is read like one to merge and nothing is written.
struct Item {
  bool copy = false;
  int64_t size = 0;    // elements; bytes in a copy
  int64_t before = 0;  // elements of the tensors that are ranked before it, where ranks span all
  int64_t row = 0;     // elements to a row, where rows matter
  int32_t coefs = 0;   // which of the plan's [K, N] tables
  std::vector<Place> sources;
  std::vector<Place> targets;  // K of them, K more for each further name of a tied tensor
  std::vector<uint64_t> keys;  // [N], or none where no coin is tossed
};

struct InputFile {
  std::string path;
  int64_t size = 0;
  int64_t mtime_ns = 0;
};

struct Plan {
  Recipe recipe;
  bool has_base = false;
  std::vector<InputFile> inputs;
  std::vector<std::string> outputs;
  std::vector<std::vector<float>> coefs;
  std::vector<Item> items;
  int threads = 1;
  bool products = false;  // not merges: the dot products of each tensor's vectors
};

inline int64_t bytes_read(const Item& item) {
  int64_t bytes = 0;
  for (const Place& source : item.sources) bytes += item.size * source.width;
  return bytes;
}

}  // namespace taujp::stream
