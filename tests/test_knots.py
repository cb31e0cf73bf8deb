"""KnOTS: adapters by their factors, whole models by their matrices, and the authors' formula."""

from __future__ import annotations

import math

import pytest
import torch
from safetensors.torch import load_file

import taujp
from adapters import on_modules, write_adapter
from reference_merge_given import Given
from reference_merge_lora import change
from reference_merge_lora import knots as twin
from taujp.merge import shared_basis

SIZES = {"blocks.0.q": (40, 24), "blocks.0.v": (24, 24), "blocks.1.up": (64, 24)}


@pytest.fixture
def base() -> dict[str, torch.Tensor]:
    """Three matrices and a vector."""
    generator = torch.Generator().manual_seed(1)
    state = {
        f"{module}.weight": torch.randn(shape, generator=generator)
        for module, shape in SIZES.items()
    }
    return {**state, "norm.weight": torch.ones(24)}


def adapters_on(tmp_path, modules=SIZES, count=3):
    """Folders and their changes in float64, {name: tensor} each."""
    folders, changes = [], []
    for i in range(count):
        tensors = on_modules(modules, seed=i)
        folders.append(write_adapter(tmp_path / f"a{i}", tensors))
        changes.append({
            f"{m}.weight": change(tensors[f"{m}.lora_A.weight"], tensors[f"{m}.lora_B.weight"], 4.0)
            for m in modules
        })  # fmt: skip
    return folders, changes


OPTIONS = [
    {},
    {"density": 0.6, "normalize": False},
    {"thin": "dare_ties", "density": 0.5, "seed": 2},
    {"density": 1.0, "election": "unweighted"},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_adapters_by_their_factors_alone(base, tmp_path, monkeypatch, options):
    """The twin decomposes the whole changes; here that is forbidden."""
    folders, changes = adapters_on(tmp_path)
    monkeypatch.setattr(shared_basis, "of_matrices", lambda matrices: pytest.fail("a product"))
    row = [0.5, 0.3, 0.4]
    found = taujp.merge_many(folders, row, base, method="knots", lambda_=0.7, **options)
    weights = torch.tensor(row).tolist()
    for name in changes[0]:
        given = Given(name, [c[name] for c in changes], base[name].double(), weights, ())
        expected = twin(given, **options)
        assert expected.close.double().mean() < 0.1
        off = (found[name].double() - base[name].double() - 0.7 * expected.value).abs()
        largest = max(float(c[name].abs().max()) for c in changes)
        assert float(off[~expected.close].max()) < 1e-5 * largest + 2**-22, name
    assert torch.equal(found["norm.weight"], base["norm.weight"])


def test_factors_and_matrices_have_one_basis():
    generator = torch.Generator().manual_seed(3)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    factors = [(normal(30, r), normal(r, 20)) for r in (3, 5, 0)]
    products = [left @ right for left, right in factors]
    basis, parts = shared_basis.of_factors(factors)
    other, _ = shared_basis.of_matrices(products)
    assert basis.shape == other.shape == (30, 8)
    torch.testing.assert_close(basis.mT @ basis, torch.eye(8, dtype=torch.float64))
    torch.testing.assert_close((basis.mT @ other).abs(), torch.eye(8, dtype=torch.float64))
    for part, product in zip(parts, products, strict=True):
        torch.testing.assert_close(basis @ part.double(), product, rtol=0, atol=1e-5)
    values = torch.linalg.svdvals(torch.cat(products, 1))[:8]
    torch.testing.assert_close(torch.cat(parts, 1).double().norm(dim=1), values)


def authors(changes: list[dict[str, torch.Tensor]], share: float) -> dict[str, torch.Tensor]:
    """Their program in our words: SVD of each matrix, then all of them as one vector: trim at the
    k-th smallest, the majority's sign, mean."""
    bases, parts = {}, {}
    for name in changes[0]:
        together = torch.cat([c[name] for c in changes], 1)
        u, s, v = torch.linalg.svd(together, full_matrices=False)
        strong = s > 1e-5
        bases[name] = u[:, strong]
        parts[name] = torch.stack((s.diag() @ v)[strong].chunk(len(changes), 1)).flatten(1)
    vectors = torch.cat(list(parts.values()), 1)
    size = vectors.shape[1]
    least = vectors.abs().kthvalue(size - int(size * share), dim=1, keepdim=True).values
    vectors = vectors * (vectors.abs() >= least)
    sign = torch.sign(vectors.sum(0))
    sign[sign == 0] = torch.sign(sign.sum())
    agree = torch.where(sign > 0, vectors > 0, vectors < 0)
    mean = (vectors * agree).sum(0) / agree.sum(0).clamp(min=1)
    merged = mean.split([part.shape[1] for part in parts.values()])
    return {
        name: basis @ m.view(basis.shape[1], -1)
        for (name, basis), m in zip(bases.items(), merged, strict=True)
    }


@pytest.mark.parametrize("share", [0.2, 0.55])
@pytest.mark.parametrize("modules", [{"blocks.0.q": (40, 24)}, SIZES], ids=["one", "all"])
def test_as_the_authors_do_it(base, tmp_path, modules, share):
    folders, changes = adapters_on(tmp_path, modules, count=4)
    expected = authors(changes, share)
    size = sum(16 * inputs for _, inputs in modules.values())  # of a part: 4 adapters of rank 4
    ours = (int(size * share) + 1 + 0.5) / size  # theirs keeps one more
    trim = "model" if len(modules) > 1 else "tensor"
    found = taujp.merge_many(
        folders, [1.0] * 4, base, method="knots", density=ours, lambda_=0.6, trim=trim
    )
    for name, tau in expected.items():
        merged = found[name].double() - base[name].double()
        torch.testing.assert_close(merged, 0.6 * tau, rtol=1e-4, atol=1e-6)


def test_files_and_memory_give_the_same(base, tmp_path):
    folders, _ = adapters_on(tmp_path)
    row = [0.5, 0.3, 0.4]
    for trim in ("tensor", "model"):
        held = taujp.merge_many(folders, row, base, method="knots", trim=trim)
        place = tmp_path / f"{trim}.safetensors"
        taujp.merge_many(folders, row, base, method="knots", trim=trim, out=place)
        written = load_file(place)
        assert all(torch.equal(written[name], tensor) for name, tensor in held.items())


def test_adapters_of_different_modules(base, tmp_path):
    folders, changes = adapters_on(tmp_path, count=2)
    tensors = on_modules({"blocks.0.q": (40, 24)}, seed=9)
    folders.append(write_adapter(tmp_path / "other", tensors))
    found = taujp.merge_many(folders, [1.0] * 3, base, method="knots", density=0.5)
    alone = taujp.merge_many(folders[:2], [1.0] * 2, base, method="knots", density=0.5)
    name = "blocks.0.v.weight"
    torch.testing.assert_close(found[name], alone[name])
    assert not torch.equal(found["blocks.0.q.weight"], alone["blocks.0.q.weight"])
    assert changes[0].keys() == changes[1].keys()


def test_an_adapter_beside_a_whole_model(base, tmp_path):
    folders, changes = adapters_on(tmp_path, count=1)
    other = {name: tensor + 0.01 * torch.randn(tensor.shape) for name, tensor in base.items()}
    found = taujp.merge_many([folders[0], other], [1.0, 1.0], base, method="knots", density=0.9)
    name = "blocks.0.q.weight"
    taus = [changes[0][name], other[name].double() - base[name].double()]
    expected = twin(Given(name, taus, None, [1.0, 1.0], ()), density=0.9)
    off = (found[name].double() - base[name].double() - expected.value).abs()[~expected.close]
    assert float(off.max()) < 1e-6


def test_one_adapter_with_all_its_elements_is_itself(base, tmp_path):
    folders, changes = adapters_on(tmp_path, count=1)
    found = taujp.merge_many(folders, [1.0], base, method="knots", density=1.0)
    for name, tau in changes[0].items():
        torch.testing.assert_close(found[name].double(), base[name].double() + tau)


def test_directions_up_to_1e_5_are_none(tmp_path):
    base = {"q.weight": torch.zeros(40, 24)}
    tensors = on_modules({"q": (40, 24)})
    tensors["q.lora_B.weight"] *= 1e-5 / torch.linalg.matrix_norm(
        change(tensors["q.lora_A.weight"], tensors["q.lora_B.weight"], 4.0), 2
    )
    adapter = write_adapter(tmp_path / "weak", tensors)
    found = taujp.merge_many([adapter], [1.0], base, method="knots", density=1.0)
    assert not found["q.weight"].any()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"thin": "magnitude"}, "thin is 'magnitude'; expected one of 'ties', 'dare_ties'"),
        ({"density": 1.5}, "every share must lie in"),
        ({"election": "loudest"}, "election is 'loudest'"),
        ({"trim": "layer"}, "trim is 'layer'"),
        ({"density": [0.2, 0.3]}, "density has 2 values for 3 checkpoints"),
    ],
)
def test_wrong_options(base, tmp_path, options, told):
    folders, _ = adapters_on(tmp_path)
    with pytest.raises(taujp.MergeError, match=told):
        taujp.merge_many(folders, [1.0] * 3, base, method="knots", **options)


def test_nan_in_a_factor_is_told(base, tmp_path):
    tensors = on_modules(SIZES)
    tensors["blocks.0.v.lora_B.weight"][0, 0] = math.inf
    adapter = write_adapter(tmp_path / "a", tensors)
    for place in ({}, {"out": tmp_path / "out.safetensors"}):
        with pytest.raises(ValueError, match=r"blocks\.0\.v\.weight"):
            taujp.merge_many([adapter], [1.0], base, method="knots", **place)
