"""Random configurations: whole models or slices, settings of every kind in every scope."""

from __future__ import annotations

from random import Random
from typing import Any

import yaml

METHODS = ("linear", "task_arithmetic", "ties", "passthrough", "slerp")
PARAMETER = {"passthrough": "scale", "slerp": None}  # of each model; of the rest `weight`
FILTERS = ("attn", "mlp", "norm", ".2.", "bias", "weight", "*", "embed", "head", "ln_")
FALLBACK = {"linear": {"weight": 0.4}, "slerp": {"t": 0.35}, "passthrough": {}}
VECTORS = {"weight": 0.4, "density": 1.0}
NUMBERS = (0, 0.3, 0.5, 0.9, 1, "1e-1")  # PyYAML takes 1e-1 for a text


def random_config(seed: int) -> tuple[str, str]:
    """(method, configuration) of models base, a, b, c with four layers each."""
    random = Random(seed)
    method = random.choice(METHODS)
    config: dict[str, Any] = {"merge_method": method}
    if method in ("task_arithmetic", "ties", "slerp"):
        config["base_model"] = "base"
    fallback = FALLBACK.get(method, VECTORS)
    config["parameters"] = {**of_all(random, method), **fallback}
    others = random.sample(["a", "b", "c"], {"passthrough": 1, "slerp": 1}.get(method, 3))
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
    if method in ("linear", "task_arithmetic", "ties") and random.random() < 0.4:
        found["normalize"] = random.choice([True, False, [True, False], "true"])
    if method in ("task_arithmetic", "ties") and random.random() < 0.4:
        found["lambda"] = setting(random)
    if method == "slerp" and random.random() < 0.6:
        found["t"] = setting(random)
    return found


def of_one(random: Random, method: str) -> dict[str, Any]:
    """Parameters of a source."""
    name = PARAMETER.get(method, "weight")
    return {name: setting(random)} if name and random.random() < 0.7 else {}


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
