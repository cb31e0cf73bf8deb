"""Random configurations: whole models or slices, settings of every kind in every scope."""

from __future__ import annotations

from random import Random
from typing import Any

import yaml

VECTORS_BY_WEIGHT = (
    "task_arithmetic", "ties", "dare_linear", "dare_ties", "breadcrumbs", "breadcrumbs_ties",
)  # fmt: skip
WEIGHTED = ("linear", "nuslerp", "multislerp", *VECTORS_BY_WEIGHT)
BASED = ("slerp", "nearswap", "model_stock", "sce", *VECTORS_BY_WEIGHT)
METHODS = (*WEIGHTED, "passthrough", "slerp", "nearswap", "model_stock", "sce", "karcher")
INPUTS = {"passthrough": 1, "slerp": 1, "nearswap": 1, "nuslerp": 2}  # of the rest 3
FILTERS = ("attn", "mlp", "norm", ".2.", "bias", "weight", "*", "embed", "head", "ln_")
FALLBACK = {"slerp": {"t": 0.35}, "nearswap": {"t": 0.02}}
TOKENS = ("<base>", "<a>", "</s>", "e", "t", "<new>")
NUMBERS = (0, 0.3, 0.5, 0.9, 1, "1e-1")  # PyYAML takes 1e-1 for a text


def random_config(seed: int) -> tuple[str, str]:
    """(method, configuration) of models base, a, b, c with four layers each."""
    random = Random(seed)
    method = random.choice(METHODS)
    config: dict[str, Any] = {"merge_method": method}
    if method in BASED:
        config["base_model"] = "base"
    weight = {"weight": 0.4} if method in WEIGHTED else {}
    config["parameters"] = {**of_all(random, method), **weight, **FALLBACK.get(method, {})}
    others = random.sample(["a", "b", "c"], INPUTS.get(method, 3))
    if random.random() < 0.4:
        config["models"] = [
            {"model": name, "parameters": of_one(random, method)} for name in others
        ]
    else:
        names = [*others, *(["base"] if "base_model" in config else [])]
        config["slices"] = [
            random_slice(random, method, names) for _ in range(random.randint(1, 3))
        ]
    return method, yaml.safe_dump(config)


def random_slice(random: Random, method: str, names: list[str]) -> dict[str, Any]:
    """As many layers of each, from anywhere."""
    count = random.randint(1, 4)
    sources = []
    for name in random.sample(names, len(names)):
        begin = random.randint(0, 4 - count)
        own = of_one(random, method)
        sources.append({"model": name, "layer_range": [begin, begin + count], "parameters": own})
    return {"sources": sources, "parameters": of_all(random, method)}


def of_all(random: Random, method: str) -> dict[str, Any]:
    """Parameters of a slice or of the configuration."""
    found: dict[str, Any] = {}
    flags = {"nuslerp": "nuslerp_flatten", "multislerp": "normalize_weights",
             "model_stock": "filter_wise", "linear": "normalize"}  # fmt: skip
    flag = "normalize" if method in VECTORS_BY_WEIGHT else flags.get(method)
    if flag and random.random() < 0.4:
        found[flag] = random.choice([True, False, [True, False], "true"])
    if method in VECTORS_BY_WEIGHT and random.random() < 0.4:
        found["lambda"] = setting(random)
    if method == "slerp" and random.random() < 0.6:
        found["t"] = setting(random)
    return found


def of_one(random: Random, method: str) -> dict[str, Any]:
    """Parameters of a source."""
    name = "scale" if method == "passthrough" else "weight"
    has_one = method == "passthrough" or method in WEIGHTED
    return {name: setting(random)} if has_one and random.random() < 0.7 else {}


def random_tokenizer(seed: int) -> dict[str, Any]:
    """`tokenizer` of a configuration of base, a and b: where its tokens and their rows are from."""
    random = Random(seed)
    tokens = {token: random_row(random) for token in random.sample(TOKENS, 3)}
    found: dict[str, Any] = {"source": random.choice(["union", "base", "a", "b"]), "tokens": tokens}
    if random.random() < 0.5:
        found["pad_to_multiple_of"] = random.choice([7, 16])
    return found


def random_row(random: Random) -> dict[str, Any]:
    """Zeros, or another token's row, with and without force."""
    place = random.choice([{"token": "<s>"}, {"token_id": random.randint(0, 30)}])
    other = {"kind": "model_token", "model": random.choice(["base", "a", "b"]), **place}
    return {"source": random.choice([other, {"kind": "zero"}]), "force": random.random() < 0.4}


def setting(random: Random) -> Any:
    """A value, a gradient, or some of them by filters, with and without one for the rest."""
    if random.random() < 0.5:
        return value(random)
    rest = [{"value": value(random)}] if random.random() < 0.6 else []
    cases = [
        {"filter": random.choice(FILTERS), "value": value(random)}
        for _ in range(random.randint(1, 2))
    ]
    return cases + rest


def value(random: Random) -> Any:
    """One number, or a gradient of some."""
    if random.random() < 0.5:
        return random.choice(NUMBERS)
    return [random.choice(NUMBERS) for _ in range(random.choice([1, 2, 3, 5]))]
