"""mergekit's other methods: sums, arcs, means on the sphere, selections of elements."""

from __future__ import annotations

from taujp.merge.errors import MergeError

from .peer_method import Given, PeerParameter, Step, peer_method
from .task_methods import MASK, WEIGHT

WEIGHT_OF_ALL = PeerParameter("weight", float, "each")
SHARE = PeerParameter("t", float)
SELECTED = PeerParameter("select_topk", float, "shared", 1.0)
SMALLEST = PeerParameter("epsilon", float, "shared", 1e-5)
SCALE = PeerParameter("scale", float, "each", 1.0)


def _flag(name: str, default: bool) -> PeerParameter:
    return PeerParameter(name, bool, "shared", default)


def _alike(given: Given, method: str, *, base: bool = True, **options: object) -> Step:
    """A method without weights: its coefficients are all 1."""
    inputs = given.others if base else tuple(range(len(given.each)))
    ones = (1.0,) * len(inputs)
    return Step(method, inputs, given.base if base else None, ones, tuple(sorted(options.items())))


@peer_method("linear", WEIGHT_OF_ALL, _flag("normalize", True), base="ignored", once=True)
def _linear(given: Given) -> Step:
    weights = tuple(each["weight"] for each in given.each)
    if given.shared["normalize"] and abs(sum(weights)) < 1e-8:
        raise MergeError(
            f"linear: the weights are {list(weights)}, whose sum is zero, which they are divided "
            f"by; expected another sum, or normalize: false"
        )
    options = (("normalize", given.shared["normalize"]),)
    return Step("linear", tuple(range(len(weights))), None, weights, options)


@peer_method("passthrough", SCALE, base="ignored", others=(1, 1), once=True)
def _passthrough(given: Given) -> Step:
    return Step("passthrough", (0,), None, (given.each[0]["scale"],))


@peer_method("slerp", SHARE, others=(1, 1), once=True)
def _slerp(given: Given) -> Step:
    t = given.shared["t"]
    assert given.base is not None
    return Step("slerp", (given.base, *given.others), None, (1.0 - t, t))


@peer_method(
    "nuslerp",
    WEIGHT,
    _flag("nuslerp_row_wise", False),
    _flag("nuslerp_flatten", True),
    base="optional",
    others=(2, 2),
)
def _nuslerp(given: Given) -> Step:
    weights = given.of_others("weight")
    if abs(sum(weights)) < 1e-6:
        weights = (0.5, 0.5)  # as mergekit does
    along = "columns" if given.shared["nuslerp_row_wise"] else "rows"
    along = "tensor" if given.shared["nuslerp_flatten"] else along
    return Step("nuslerp", given.others, given.base, weights, (("along", along),))


@peer_method(
    "multislerp",
    WEIGHT,
    _flag("normalize_weights", True),
    PeerParameter("eps", float, "shared", 1e-8),  # added to lengths: not here
    base="optional",
)
def _multislerp(given: Given) -> Step:
    weights = given.of_others("weight")
    weights = (1.0,) if len(weights) == 1 else weights  # mergekit returns the only model
    options = (("normalize", given.shared["normalize_weights"]),)
    return Step("multislerp", given.others, given.base, weights, options)


@peer_method(
    "karcher",
    PeerParameter("max_iter", int, "shared", 10),
    PeerParameter("tol", float, "shared", 1e-5),
    base="ignored",
)
def _karcher(given: Given) -> Step:
    steps, tolerance = given.shared["max_iter"], given.shared["tol"]
    return _alike(given, "karcher", base=False, steps=steps, tolerance=tolerance)


@peer_method("model_stock", _flag("filter_wise", False), others=(2, None))
def _model_stock(given: Given) -> Step:
    return _alike(given, "model_stock", by="row" if given.shared["filter_wise"] else "tensor")


@peer_method("nearswap", SHARE, others=(1, 1))
def _nearswap(given: Given) -> Step:
    return Step("nearswap", given.others, given.base, (given.shared["t"],))


@peer_method("arcee_fusion", others=(1, 1))
def _arcee_fusion(given: Given) -> Step:
    return _alike(given, "arcee_fusion")


@peer_method("sce", SELECTED, MASK, others=(0, None))
def _sce(given: Given) -> Step:
    return _alike(given, "sce", density=min(max(given.shared["select_topk"], 0.0), 1.0))


@peer_method("ram", SMALLEST, others=(0, None))
def _ram(given: Given) -> Step:
    return _alike(given, "ram", epsilon=given.shared["epsilon"])


@peer_method(
    "ramplus_tl",
    PeerParameter("r", float, "shared", 0.1),
    PeerParameter("alpha", float, "shared", 0.2),
    SMALLEST,
    others=(0, None),
)
def _ramplus_tl(given: Given) -> Step:
    ratio, most = given.shared["r"], given.shared["alpha"]
    return _alike(given, "ramplus_tl", ratio=ratio, most=most, epsilon=given.shared["epsilon"])
