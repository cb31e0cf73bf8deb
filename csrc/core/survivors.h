// What sparsifiers leave of a parameter's task vectors, once that is known.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/sieve.h"

namespace taujp {

using Bits = std::vector<uint64_t>;  // core/bits.h, a word more than it takes

struct Survivors {
  std::vector<Sieve> sieves;  // [N], or none where nothing is sparsified
  std::vector<Bits> kept;     // [N], or one for all, of what stays (no words: all); or none: the
                              // sieves decide

  // Where each checkpoint's bits are [N] (null: all stays), as Run takes them; none where there are
  // none.
  std::vector<const uint64_t*> bits() const {
    std::vector<const uint64_t*> of(kept.empty() ? 0 : sieves.size());
    for (size_t i = 0; i < of.size(); ++i) {
      const Bits& own = kept[kept.size() == 1 ? 0 : i];
      of[i] = own.empty() ? nullptr : own.data();
    }
    return of;
  }
};

}  // namespace taujp
