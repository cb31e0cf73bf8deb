"""Configurations by method, and how near ours is to be to mergekit's: the table of parity.

bits: `--rounding stepwise` (or one rounding, where both have that) gives mergekit's bits in every
dtype. near: the arithmetic differs, by design, in where it rounds: ours in fp32 or better with one
rounding at the end; mergekit's in the tensors' dtype.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Case:
    """A configuration; `bits`, or the largest errors by the largest magnitude of each tensor.

    near: in fp32. half: in bf16 (8 bits), where mergekit rounds after every operation. share and
    half_share: of elements that may be further off, because a vote or a threshold lies within a
    rounding of them. stepwise: whether --rounding stepwise is to be asked for.
    """

    config: str
    bits: bool = False
    near: float = 2e-7
    half: float = 2.0**-6
    share: float = 0.0
    half_share: float = 0.0
    stepwise: bool = False
    dtypes: tuple[torch.dtype, ...] = (torch.float32, torch.bfloat16)


HALVES = (torch.bfloat16, torch.float16)
ALL = (torch.float32, *HALVES)


def exact(config: str) -> Case:
    """fp32 within, rounded once: the same bits in every dtype, with no option."""
    return Case(config, bits=True, dtypes=ALL)


def chain(config: str, share: float = 0.0) -> Case:
    """A chain of roundings: the same bits in bf16 and fp16 with --rounding stepwise."""
    return Case(config, bits=True, stepwise=True, dtypes=HALVES)


THREE = """
models:
  - {model: a, parameters: {weight: 0.5, density: 1.0}}
  - {model: b, parameters: {weight: 0.3, density: 1.0}}
  - {model: c, parameters: {weight: [0.1, 0.7], density: 1.0}}
base_model: base
"""
PAIR = "base_model: a\nmodels: [{model: a}, {model: b}]\n"
ALIKE = "models: [{model: a}, {model: b}, {model: c}]\nbase_model: base\n"

LINEAR = {
    "weights": exact("""
merge_method: linear
models:
  - {model: a, parameters: {weight: 0.7}}
  - {model: b, parameters: {weight: 0.5}}
  - {model: c, parameters: {weight: 0.1}}
"""),
    "not normalized": exact("""
merge_method: linear
models:
  - {model: a, parameters: {weight: 0.7}}
  - {model: b, parameters: {weight: -0.5}}
parameters: {normalize: false}
"""),
    "gradients": exact("""
merge_method: linear
models:
  - {model: a, parameters: {weight: [0.2, 0.9, 0.4]}}
  - {model: b, parameters: {weight: 0.5}}
"""),
    "filters": exact("""
merge_method: linear
models:
  - model: a
    parameters:
      weight:
        - {filter: self_attn, value: 0.7}
        - {filter: mlp, value: [0, 1]}
        - {filter: layers.2, value: 0.9}
        - {value: 0.4}
  - model: b
    parameters:
      weight: [{filter: lm_head, value: 1}, {filter: "*", value: 0.5}]
"""),
    "precedence": exact("""
merge_method: linear
models:
  - {model: a, parameters: {weight: {filter: mlp, value: 0.9}}}
  - model: b
  - {model: c, parameters: {weight: 0.1}}
parameters: {weight: [{filter: norm, value: 3}, {value: [0.25, 0.75]}]}
"""),
    "a base among the models": exact("""
merge_method: linear
base_model: base
models:
  - {model: a, parameters: {weight: 0.7}}
parameters: {weight: 0.3}
"""),
    "passthrough": exact("merge_method: passthrough\nmodels: [{model: a}]\n"),
    "passthrough, scaled": exact("""
merge_method: passthrough
models:
  - model: a
    parameters:
      scale: [{filter: o_proj, value: 0.0}, {filter: down_proj, value: [0.5, 2]}, {value: 1.0}]
"""),
}

ARITHMETIC = {
    "task_arithmetic": chain("merge_method: task_arithmetic" + THREE),
    "task_arithmetic, the base listed": chain("""
merge_method: task_arithmetic
base_model: base
models:
  - {model: a, parameters: {weight: 0.4}}
  - model: base
  - {model: b, parameters: {weight: -0.2}}
parameters: {lambda: 0.6, normalize: true, int8_mask: true}
"""),
    "task_arithmetic, lambda and normalize by layer": chain("""
merge_method: task_arithmetic
base_model: base
models:
  - {model: a, parameters: {weight: {filter: self_attn, value: [1, 0.3, 0]}}}
  - {model: b, parameters: {weight: [0, 0, 1]}}
parameters: {weight: 0.25, lambda: [0.4, 1.2], normalize: [false, true]}
"""),
    "ties": chain("merge_method: ties" + THREE),
    "ties, not normalized": chain(
        "merge_method: ties\nparameters: {normalize: false, lambda: 0.5, int8_mask: true}" + THREE
    ),
    "dare_linear": chain("merge_method: dare_linear" + THREE),
    "dare_ties": chain("merge_method: dare_ties\nparameters: {normalize: true}" + THREE),
    "breadcrumbs": chain("merge_method: breadcrumbs" + THREE),
    "breadcrumbs_ties": chain("merge_method: breadcrumbs_ties\nparameters: {lambda: 0.3}" + THREE),
}

THINNED = """
models:
  - {model: a, parameters: {weight: 0.5, density: 0.7}}
  - model: b
    parameters: {weight: 0.3, density: [0.3, 0.9]}
  - model: c
    parameters:
      weight: {filter: mlp, value: 0.4}
      density: [{filter: q_proj, value: 0.15}, {value: 0.6}]
base_model: base
"""


def thinned(method: str, parameters: str = "", near: float = 2e-7) -> Case:
    """In fp32, where magnitudes hardly collide, so that a threshold picks the same elements."""
    shared = f"parameters: {{weight: 0.2{parameters}}}"
    config = f"merge_method: {method}{THINNED}{shared}\n"
    return Case(config, near=near, share=1e-3, dtypes=(torch.float32,))


THINNING = {
    "ties": thinned("ties"),
    "ties, rescaled": thinned("ties", ", rescale: true, int8_mask: true", near=1e-6),
    "breadcrumbs": thinned("breadcrumbs", ", gamma: [0.01, 0.2]"),
    "breadcrumbs_ties": thinned(
        "breadcrumbs_ties", ", gamma: 0.05, rescale: true, lambda: 0.8", near=1e-6
    ),
    "della in steps": chain("merge_method: della" + THREE),
    "della_linear in steps": chain("merge_method: della_linear" + THREE),
    "della that drops nothing": Case(
        "merge_method: della" + THREE, near=1e-6, share=1e-4, half_share=0.01
    ),
    "della_linear that drops nothing": Case("merge_method: della_linear" + THREE, near=1e-6),
}

SPHERE = {
    "slerp": Case("merge_method: slerp\nparameters: {t: 0.3}\n" + PAIR),
    "slerp, the usual gradient": Case("""
merge_method: slerp
base_model: b
models: [{model: a}]
parameters:
  t:
    - {filter: self_attn, value: [0, 0.5, 0.3, 0.7, 1]}
    - {filter: mlp, value: [1, 0.5, 0.7, 0.3, 0]}
    - {value: 0.5}
"""),
    "nuslerp": Case(
        """
merge_method: nuslerp
models:
  - {model: a, parameters: {weight: [0.2, 0.9]}}
  - {model: b, parameters: {weight: 0.6}}
""",
        near=2e-6,
    ),
    "nuslerp of task vectors": Case(
        """
merge_method: nuslerp
base_model: base
models:
  - {model: a, parameters: {weight: 0.2}}
  - {model: b, parameters: {weight: 0.6}}
parameters: {nuslerp_flatten: false}
""",
        near=2e-6,
    ),
    "multislerp": Case(
        """
merge_method: multislerp
models:
  - {model: a, parameters: {weight: 0.5}}
  - {model: b, parameters: {weight: [0.3, 0.6]}}
  - {model: c, parameters: {weight: 0.1}}
""",
        near=2e-6,
    ),
    "multislerp of task vectors": Case(
        """
merge_method: multislerp
base_model: base
models:
  - {model: a, parameters: {weight: 0.5}}
  - {model: b, parameters: {weight: 0.3}}
parameters: {normalize_weights: false, eps: 1e-6}
""",
        near=2e-6,
    ),
    "karcher": Case(
        "merge_method: karcher\nmodels: [{model: a}, {model: b}, {model: c}]\n", near=3e-5
    ),
    "karcher with the base": Case(
        "merge_method: karcher\nparameters: {max_iter: 50, tol: 1e-7}\n" + ALIKE, near=3e-5
    ),
    "model_stock": Case("merge_method: model_stock\n" + ALIKE, near=1e-6),
    "model_stock by rows": Case(
        "merge_method: model_stock\nparameters: {filter_wise: true}\n" + ALIKE, near=1e-6
    ),
}

SELECTIONS = {
    "nearswap": Case("merge_method: nearswap\nparameters: {t: 0.01}\n" + PAIR),
    "nearswap by layer": Case("merge_method: nearswap\nparameters: {t: [0.0, 0.05]}\n" + PAIR),
    "sce": Case("merge_method: sce\n" + ALIKE, near=1e-6, share=1e-3, half_share=0.01),
    "sce, selected": Case(
        "merge_method: sce\nparameters: {select_topk: [0.2, 0.7], int8_mask: true}\n" + ALIKE,
        near=1e-6,
        share=1e-3,
        dtypes=(torch.float32,),  # equal variances abound in bf16
    ),
    # Its divergences have the noise of fp32: importances at the threshold fall either way.
    "arcee_fusion": Case(
        "merge_method: arcee_fusion\n" + PAIR, share=0.02, dtypes=(torch.float32,)
    ),
    "ram": Case("merge_method: ram\nparameters: {epsilon: 0.01}\n" + ALIKE, half_share=0.03),
    "ramplus_tl": Case(
        "merge_method: ramplus_tl\nparameters: {r: 0.5, alpha: 3.0, epsilon: 0.01}\n" + ALIKE,
        dtypes=(torch.float32,),  # mergekit writes fp32 whatever the inputs are; ours, their dtype
    ),
}

CASES = {
    "linear": LINEAR,
    "arithmetic": ARITHMETIC,
    "thinning": THINNING,
    "sphere": SPHERE,
    "selections": SELECTIONS,
}
