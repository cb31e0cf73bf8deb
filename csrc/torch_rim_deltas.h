// What `deltas` checks and allocates: one Delta and its size for every parameter.
#pragma once
#include "tangent/delta.h"
#include "torch_rim_tangent.h"

namespace taujp {

struct Deltas {
  std::vector<Tensor> results;
  std::vector<Delta> calls;
  std::vector<int64_t> sizes;
};

inline ScalarType result_dtype(const Tensor& theta, std::optional<ScalarType> dtype) {
  const ScalarType result = dtype.value_or(theta.scalar_type());
  const bool doubles = theta.scalar_type() == ScalarType::Double;
  STD_TORCH_CHECK(doubles == (result == ScalarType::Double),
                  "taujp::deltas: the result is asked for in ", name_of(result), ", theta is ",
                  name_of(theta.scalar_type()), "; float64 goes with float64 only");
  return result;
}

inline Deltas make_deltas(const std::vector<Tensor>& theta, const std::vector<Tensor>& theta0,
                          std::optional<ScalarType> dtype) {
  const Check check{"deltas"};
  STD_TORCH_CHECK(theta.size() == theta0.size(), "taujp::deltas: ", theta.size(),
                  " tensors theta and ", theta0.size(), " theta0; expected as many");
  Deltas deltas;
  for (size_t p = 0; p < theta.size(); ++p) {
    Delta call{};
    call.dtype = check.dtype(theta[p], "theta");
    check.contiguous(theta[p], "theta");
    check.same(theta0[p], "theta0", theta[p]);
    check.elements(theta[p], "theta", theta[0], theta[p].numel(), theta[p].scalar_type());
    deltas.results.push_back(
        torch::stable::new_empty(theta[p], theta[p].sizes(), result_dtype(theta[p], dtype)));
    call.result = check.dtype(deltas.results.back(), "the result");
    call.theta = theta[p].const_data_ptr();
    call.theta0 = theta0[p].const_data_ptr();
    call.tau = deltas.results.back().mutable_data_ptr();
    deltas.calls.push_back(call);
    deltas.sizes.push_back(theta[p].numel());
  }
  return deltas;
}

}  // namespace taujp
