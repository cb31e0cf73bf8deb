// The choices by the names that Python gives them.
#pragma once
#include <stdexcept>
#include <string>

#include "core/policy.h"
#include "core/tensor.h"

namespace taujp {

template <class Choice, size_t count>
Choice named(const char* what, const std::string& name,
             const std::pair<const char*, Choice> (&all)[count]) {
  std::string known;
  for (const auto& [candidate, choice] : all) {
    if (name == candidate) return choice;
    known += known.empty() ? candidate : std::string(", ") + candidate;
  }
  throw std::invalid_argument(std::string(what) + " is '" + name + "'; expected one of: " + known);
}

inline Fold fold_named(const std::string& name) {
  static constexpr std::pair<const char*, Fold> all[] = {
#define TAUJP_FOLD_PAIR(name, Formula) {#name, Fold::name},
      TAUJP_FOLDS(TAUJP_FOLD_PAIR)
#undef TAUJP_FOLD_PAIR
  };
  return named("fold", name, all);
}

inline Sparsifier sparsifier_named(const std::string& name) {
  static constexpr std::pair<const char*, Sparsifier> all[] = {
      {"none", Sparsifier::none},         {"magnitude", Sparsifier::magnitude},
      {"random", Sparsifier::random},     {"rank", Sparsifier::rank},
      {"variance", Sparsifier::variance}, {"importance", Sparsifier::importance}};
  return named("sparsifier", name, all);
}

inline Weighting weighting_named(const std::string& name) {
  static constexpr std::pair<const char*, Weighting> all[] = {{"given", Weighting::given},
                                                              {"squares", Weighting::squares},
                                                              {"changes", Weighting::changes}};
  return named("weighting", name, all);
}

inline Rescale rescale_named(const std::string& name) {
  static constexpr std::pair<const char*, Rescale> all[] = {
      {"none", Rescale::none}, {"density", Rescale::density}, {"l1", Rescale::l1}};
  return named("rescale", name, all);
}

inline Rounding rounding_named(const std::string& name) {
  static constexpr std::pair<const char*, Rounding> all[] = {{"exact", Rounding::exact},
                                                             {"F32", Rounding::f32},
                                                             {"F16", Rounding::f16},
                                                             {"BF16", Rounding::bf16}};
  return named("rounding", name, all);
}

inline Dtype dtype_named(const std::string& name) {
  static constexpr std::pair<const char*, Dtype> all[] = {
      {"F32", Dtype::f32}, {"F16", Dtype::f16}, {"BF16", Dtype::bf16}};
  return named("dtype", name, all);
}

}  // namespace taujp
