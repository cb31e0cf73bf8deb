// What the tangents' operations check and allocate before a kernel sees a pointer, for the CPU and
// the CUDA module. Messages: the operation, the argument, what came, what was expected.
#pragma once
#include <optional>
#include <string>

#include "tangent/element.h"
#include "tangent/gelu.h"
#include "tangent/layer_norm.h"
#include "tangent/norm.h"
#include "torch_rim.h"

namespace taujp {

using MaybeTensor = std::optional<Tensor>;

inline const char* name_of(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float: return "float32";
    case ScalarType::Half: return "float16";
    case ScalarType::BFloat16: return "bfloat16";
    case ScalarType::Double: return "float64";
    default: return "another dtype";
  }
}

inline std::string shape_of(const Tensor& tensor) {
  std::string text = "(";
  for (int64_t d = 0; d < tensor.dim(); ++d)
    text += (d > 0 ? ", " : "") + std::to_string(tensor.size(d));
  return text + (tensor.dim() == 1 ? ",)" : ")");
}

inline std::string described(const Tensor& tensor) {
  return std::string(name_of(tensor.scalar_type())) + " of shape " + shape_of(tensor) +
         (tensor.is_contiguous() ? "" : ", not contiguous,") +
         (tensor.is_cpu() ? " on the CPU" : "") +
         (tensor.is_cuda() ? " on CUDA device " + std::to_string(tensor.get_device_index()) : "");
}

// The checks of one operation, which every message names.
struct Check {
  const char* operation;

  Dtype dtype(const Tensor& tensor, const char* name) const {
    switch (tensor.scalar_type()) {
      case ScalarType::Float: return Dtype::f32;
      case ScalarType::Half: return Dtype::f16;
      case ScalarType::BFloat16: return Dtype::bf16;
      case ScalarType::Double: return Dtype::f64;
      default:
        STD_TORCH_CHECK(false, "taujp::", operation, ": ", name,
                        " has a dtype that is not float32, float16, bfloat16 or float64");
    }
    return Dtype::f32;
  }

  void contiguous(const Tensor& tensor, const char* name) const {
    STD_TORCH_CHECK(tensor.is_contiguous(), "taujp::", operation, ": ", name, " is ",
                    described(tensor), "; expected it contiguous");
  }

  // Of that many elements, with the dtype and device of `like`, contiguous.
  void elements(const Tensor& tensor, const char* name, const Tensor& like, int64_t count,
                ScalarType dtype) const {
    const bool here = tensor.device().type() == like.device().type() &&
                      tensor.get_device_index() == like.get_device_index();
    STD_TORCH_CHECK(
        here && tensor.is_contiguous() && tensor.numel() == count && tensor.scalar_type() == dtype,
        "taujp::", operation, ": ", name, " is ", described(tensor), "; expected ", count,
        " contiguous elements of ", name_of(dtype), " on the device of x, which is ",
        described(like));
  }

  // Of the shape, dtype and device of `like`, contiguous.
  void same(const Tensor& tensor, const char* name, const Tensor& like) const {
    elements(tensor, name, like, like.numel(), like.scalar_type());
    STD_TORCH_CHECK(shape_of(tensor) == shape_of(like), "taujp::", operation, ": ", name, " is ",
                    described(tensor), "; expected the shape of x, ", shape_of(like));
  }

  // The data of a tensor that may be missing; null where it is, or has no elements.
  const void* maybe(const MaybeTensor& tensor, const char* name, const Tensor& like,
                    int64_t count) const {
    if (!tensor.has_value()) return nullptr;
    elements(*tensor, name, like, count, like.scalar_type());
    return tensor->const_data_ptr();
  }
};

// The number of rows, where `width` elements are one.
inline int64_t rows_of(const Tensor& x, int64_t width) { return width > 0 ? x.numel() / width : 0; }

inline LayerNormTangent layer_norm_call(const Tensor& x, const MaybeTensor& dx, const Tensor& mean,
                                        const Tensor& rstd, const MaybeTensor& weight,
                                        const MaybeTensor& dweight, const MaybeTensor& dbias,
                                        const Tensor& dy) {
  const Check check{"layer_norm_tangent"};
  LayerNormTangent call{};
  call.dtype = check.dtype(x, "x");
  STD_TORCH_CHECK(x.dim() > 0, "taujp::layer_norm_tangent: x has no dimension to normalise over");
  check.contiguous(x, "x");
  call.width = x.size(x.dim() - 1);
  const ScalarType sums = call.dtype == Dtype::f64 ? ScalarType::Double : ScalarType::Float;
  const int64_t rows = rows_of(x, call.width);
  check.elements(mean, "mean", x, rows, sums);
  check.elements(rstd, "rstd", x, rows, sums);
  if (dx.has_value()) check.same(*dx, "dx", x);
  call.x = x.const_data_ptr();
  call.dx = check.maybe(dx, "dx", x, x.numel());
  call.mean = mean.const_data_ptr();
  call.rstd = rstd.const_data_ptr();
  call.weight = check.maybe(weight, "weight", x, call.width);
  call.dweight = check.maybe(dweight, "dweight", x, call.width);
  call.dbias = check.maybe(dbias, "dbias", x, call.width);
  call.dy = dy.mutable_data_ptr();
  return call;
}

inline Approximate approximate_named(const std::string& name) {
  static constexpr std::pair<const char*, Approximate> all[] = {
      {"none", Approximate::erf}, {"tanh", Approximate::tanh}, {"quick", Approximate::quick}};
  return named("taujp::gelu_tangent: approximate", name, all);
}

inline GeluTangent gelu_call(const Tensor& x, const Tensor& dx, const std::string& approximate,
                             const Tensor& dy) {
  const Check check{"gelu_tangent"};
  GeluTangent call{};
  call.dtype = check.dtype(x, "x");
  check.contiguous(x, "x");
  check.same(dx, "dx", x);
  call.x = x.const_data_ptr();
  call.dx = dx.const_data_ptr();
  call.dy = dy.mutable_data_ptr();
  call.approximate = approximate_named(approximate);
  return call;
}

inline RowNorm row_norm_call(const char* operation, const Tensor& x) {
  const Check check{operation};
  RowNorm call{};
  call.dtype = check.dtype(x, "x");
  STD_TORCH_CHECK(x.dim() == 2, "taujp::", operation, ": x has shape ", shape_of(x),
                  "; expected (rows, width)");
  check.contiguous(x, "x");
  call.x = x.const_data_ptr();
  call.width = x.size(1);
  return call;
}

inline RowNorm row_norm_grad_call(const Tensor& x, const Tensor& norm, const Tensor& grad) {
  const Check check{"row_norm_grad"};
  RowNorm call = row_norm_call("row_norm_grad", x);
  check.elements(norm, "norm", x, x.size(0), x.scalar_type());
  check.elements(grad, "grad", x, x.size(0), x.scalar_type());
  call.norm = norm.const_data_ptr();
  call.grad = grad.const_data_ptr();
  return call;
}

}  // namespace taujp
