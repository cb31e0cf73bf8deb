// The objectives' operations on CUDA: a warp a row.
#pragma once
#include "cuda/tangent.h"
#include "torch_rim_objective.h"

namespace taujp {
namespace ops {

inline std::tuple<Tensor, Tensor> risk_rows_cuda(Tensor logits, Tensor labels, Tensor scales) {
  RiskRows call = risk_call("risk_rows", logits, labels, scales);
  const RiskPair found = empty_risks(call, scales);
  call.loss = found.first.mutable_data_ptr();
  call.slope = found.second.mutable_data_ptr();
  launch_risk_rows(call, call.rows, 1, logits);
  return {found.first, found.second};
}

inline Tensor risk_rows_grad_cuda(Tensor logits, Tensor labels, Tensor scales, Tensor loss,
                                  Tensor slope, Tensor grad_loss, Tensor grad_slope) {
  RiskRows call = risk_grad_call(logits, labels, scales, {loss, slope}, {grad_loss, grad_slope});
  const Tensor grad_logits = empty_like(logits);
  call.grad_logits = grad_logits.mutable_data_ptr();
  launch_risk_rows_grad(call, call.rows, 1, logits);
  return grad_logits;
}

}  // namespace ops
}  // namespace taujp
