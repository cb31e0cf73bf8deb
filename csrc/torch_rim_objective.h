// What the objectives' operations check before a kernel sees a pointer, for the CPU and the CUDA
// module.
#pragma once
#include <tuple>

#include "objective/risk.h"
#include "torch_rim_tangent.h"

namespace taujp {

// loss and slope of risk_rows; `first` and `second` may also be two such tensors that came in.
struct RiskPair {
  Tensor first, second;
};

inline RiskRows risk_call(const char* operation, const Tensor& logits, const Tensor& labels,
                          const Tensor& scales) {
  const Check check{operation};
  RiskRows call{};
  call.dtype = check.dtype(logits, "logits");
  STD_TORCH_CHECK(logits.dim() == 2 && logits.size(1) > 0, "taujp::", operation,
                  ": logits has shape ", shape_of(logits), "; expected (rows, classes)");
  check.contiguous(logits, "logits");
  call.rows = logits.size(0);
  call.classes = logits.size(1);
  check.elements(labels, "labels", logits, call.rows, ScalarType::Long);
  STD_TORCH_CHECK(scales.dim() == 1 || (scales.dim() == 2 && scales.size(1) == call.rows),
                  "taujp::", operation, ": scales has shape ", shape_of(scales),
                  "; expected (draws,) or (draws, ", call.rows, ")");
  call.draws = scales.size(0);
  STD_TORCH_CHECK(call.draws > 0, "taujp::", operation, ": scales is empty; expected a draw");
  call.scale_a_row = scales.dim() == 2;
  const ScalarType numbers = call.dtype == Dtype::f64 ? ScalarType::Double : ScalarType::Float;
  check.elements(scales, "scales", logits, scales.numel(), numbers);
  call.logits = logits.const_data_ptr();
  call.labels = static_cast<const int64_t*>(labels.const_data_ptr());
  call.scales = scales.const_data_ptr();
  return call;
}

inline RiskPair empty_risks(const RiskRows& call, const Tensor& scales) {
  const std::vector<int64_t> shape{call.draws, call.rows};
  return {torch::stable::new_empty(scales, shape), torch::stable::new_empty(scales, shape)};
}

// Two tensors [draws, rows] in the dtype of scales.
inline void check_risks(const RiskRows& call, const Tensor& logits, const Tensor& scales,
                        const RiskPair& pair, const char* first, const char* second) {
  const Check check{"risk_rows_grad"};
  const int64_t count = call.draws * call.rows;
  check.elements(pair.first, first, logits, count, scales.scalar_type());
  check.elements(pair.second, second, logits, count, scales.scalar_type());
}

inline RiskRows risk_grad_call(const Tensor& logits, const Tensor& labels, const Tensor& scales,
                               const RiskPair& risks, const RiskPair& grads) {
  RiskRows call = risk_call("risk_rows_grad", logits, labels, scales);
  check_risks(call, logits, scales, risks, "loss", "slope");
  check_risks(call, logits, scales, grads, "grad_loss", "grad_slope");
  call.loss = const_cast<void*>(risks.first.const_data_ptr());  // read only: the transpose's
  call.slope = const_cast<void*>(risks.second.const_data_ptr());
  call.grad_loss = grads.first.const_data_ptr();
  call.grad_slope = grads.second.const_data_ptr();
  return call;
}

}  // namespace taujp
