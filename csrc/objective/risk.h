// The risk of every row of logits z with label y, at a scale w of the logits, and its slope in w:
//   loss = log sum_j exp(w z_j) - w z_y      slope = d loss / dw = <p, z> - z_y,   p = softmax(w z)
// and the transpose of both, given g = grad_loss and h = grad_slope, summed over the draws of w:
//   grad_z = (g w + h) (p - e_y) + h w p (z - <p, z>)      e_y: 1 at the label, else 0
// In closed form what Arjovsky et al. 2019 (arXiv 1907.02893) differentiate twice. A class whose
// logit is -inf has p = 0 and adds nothing; a label that is no class gives NaN and reads nothing.
#pragma once
#include "objective/logarithm.h"
#include "tangent/exponential.h"

namespace taujp {

struct RiskRows {
  const void* logits;     // [rows, classes]
  const int64_t* labels;  // [rows]
  const void* scales;     // [draws], or [draws, rows]; as all below f32, f64 where dtype is
  void *loss, *slope;     // [draws, rows]; the transpose reads them
  const void *grad_loss, *grad_slope;  // [draws, rows], for the transpose
  void* grad_logits;                   // [rows, classes], for the transpose
  int64_t rows, classes, draws;
  bool scale_a_row;
  Dtype dtype;

  TAUJP_INLINE int64_t place(int64_t draw, int64_t row) const { return draw * rows + row; }
  TAUJP_INLINE int64_t scale_at(int64_t draw, int64_t row) const {
    return scale_a_row ? place(draw, row) : draw;
  }
};

// z_y, or NaN.
template <class Row>
TAUJP_INLINE typename Row::Number label_logit(const Row& row, const RiskRows& in, int64_t index) {
  const int64_t label = in.labels[index];
  if (label < 0 || label >= in.classes) return typename Row::Number(NAN);
  return row.one(in.logits, index * in.classes + label);
}

// p x, and 0 where p is 0, whatever x is.
template <class Number>
TAUJP_INLINE Number weighted(Number p, Number x) {
  return select(p == Number(0.0f), p, p * x);
}

template <class Row>
TAUJP_INLINE void risk_rows(const Row& row, const RiskRows& in, int64_t index) {
  using Number = typename Row::Number;
  const auto z = row.of(in.logits, index * in.classes);
  const Number at_label = label_logit(row, in, index);
  for (int64_t draw = 0; draw < in.draws; ++draw) {
    const Number w = row.statistic(in.scales, in.scale_at(draw, index));
    const Number top = row.max([&](auto j) TAUJP_INLINE_LAMBDA { return w * z(j); });
    const auto power = [&](Number x) TAUJP_INLINE_LAMBDA { return exponential(w * x - top); };
    const Number total = row.sum([&](auto j) TAUJP_INLINE_LAMBDA { return power(z(j)); });
    const Number along = row.sum([&](auto j) TAUJP_INLINE_LAMBDA {
      const Number x = z(j);
      return weighted(power(x), x - at_label);
    });
    const int64_t place = in.place(draw, index);
    row.put_statistic(in.loss, place, logarithm(total) + (top - w * at_label));
    row.put_statistic(in.slope, place, along / total);
  }
}

// What the transpose needs of one draw.
template <class Number>
struct RiskPull {
  Number w, log_sum, slope, g, h;

  TAUJP_INLINE Number operator()(Number x, Number beside, Number hit) const {
    const Number p = exponential(w * x - log_sum);
    return fma(fma(g, w, h), p - hit, h * w * weighted(p, beside - slope));
  }
};

template <class Row>
TAUJP_INLINE RiskPull<typename Row::Number> risk_pull(const Row& row, const RiskRows& in,
                                                      typename Row::Number at_label, int64_t draw,
                                                      int64_t index) {
  const int64_t place = in.place(draw, index);
  const auto w = row.statistic(in.scales, in.scale_at(draw, index));
  return {w, row.statistic(in.loss, place) + w * at_label, row.statistic(in.slope, place),
          row.statistic(in.grad_loss, place), row.statistic(in.grad_slope, place)};
}

template <class Row>
TAUJP_INLINE void risk_rows_grad(const Row& row, const RiskRows& in, int64_t index) {
  using Number = typename Row::Number;
  const int64_t first = index * in.classes, label = in.labels[index];
  const auto z = row.of(in.logits, first);
  const auto grad_logits = row.into(in.grad_logits, first);
  const Number at_label = label_logit(row, in, index);
  const RiskPull<Number> one = risk_pull(row, in, at_label, 0, index);  // kept in registers
  row.each([&](auto j) TAUJP_INLINE_LAMBDA {
    const Number x = z(j), beside = x - at_label, hit = row.indicator(j, label);
    Number total = one(x, beside, hit);
    for (int64_t draw = 1; draw < in.draws; ++draw)
      total = total + risk_pull(row, in, at_label, draw, index)(x, beside, hit);
    grad_logits.put(j, total);
  });
}

}  // namespace taujp
