"""Rows of embeddings and heads in the output's order: against plain loops, and against mergekit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import taujp
from stream_files import left_in
from taujp.checkpoint import CheckpointError, open_checkpoint, tensor_of
from taujp.checkpoint.entries import COMPUTED
from taujp.mergekit.embeddings import aligned
from taujp.mergekit.tokenizer_plan import plan_tokenizer
from taujp.mergekit.tokenizer_spec import tokenizer_spec
from taujp.mergekit.vocabulary_tensors import vocabulary_names
from tiny_tokenizers import save_config, save_tokenizer, tokenizers

EMBEDDING, HEAD, LAYER = "model.embed_tokens.weight", "lm_head.weight", "model.layers.0.weight"
TOKENS = {
    "<zero>": {"source": {"kind": "zero"}},
    "<pick>": {"source": {"kind": "model_token", "model": "b", "token_id": 5}},
    "</s>": {"source": "c", "force": True},
    "<other>": {"source": {"kind": "model_token", "model": "c", "token": "<s>"}, "force": True},
}
SPECS = {
    "base": tokenizer_spec("base"),
    "union": tokenizer_spec("union"),
    "b": tokenizer_spec("b"),
    "padded": tokenizer_spec(None, {"source": "union", "pad_to_multiple_of": 64}),
    "tokens": tokenizer_spec(None, {"source": "union", "tokens": TOKENS}),
    "tokens padded": tokenizer_spec(
        None, {"source": "base", "tokens": TOKENS, "pad_to_multiple_of": 8}
    ),
}


def save_models(folder: Path, dtype: torch.dtype = torch.float32) -> dict[str, str]:
    """Three models whose vocabularies overlap: {name: folder}."""
    extra = {"a": ["<a>"], "b": ["<bc>", "<b>"], "c": ["<bc>", "<c>"]}
    folders = {}
    for seed, (name, texts) in enumerate(zip("abc", ("sea", "sky", "both"), strict=True)):
        folders[name] = str(folder / name)
        made = save_tokenizer(folder / name, texts=texts, size=38 + seed, added=extra[name])
        rows = made.get_vocab_size()
        save_config(folder / name, rows)
        generator = torch.Generator().manual_seed(seed)
        shapes = {EMBEDDING: (rows, 6), HEAD: (rows, 6), LAYER: (6, 6), "lm_head.bias": (rows,)}
        tensors = {n: torch.randn(s, generator=generator).to(dtype) for n, s in shapes.items()}
        save_file(tensors, folder / name / "model.safetensors")
    return folders


def opened(folders: dict[str, str]):
    return {name: open_checkpoint(folder, label=name) for name, folder in folders.items()}


def rows_by_loops(plan, spec, tensors, base):
    """The rules as they are documented, token by token in float64: {model: rows}."""
    models = list(tensors)
    out = {m: torch.zeros(plan.vocab_size, *tensors[m].shape[1:]).double() for m in models}
    vocabularies = {m: plan.gathers[m].tolist() for m in models}
    for token, number in plan.vocabulary.items():
        places = {m: vocabularies[m][number] for m in models}
        having = [m for m in models if places[m] >= 0]
        wanted = spec.tokens.get(token)
        if wanted is not None and wanted.kind != "default":
            default = _wanted_row(wanted, plan, tensors, places)
        elif len(having) == 1 or (base in having):
            donor = base if base in having and len(having) != 1 else having[0]
            default = tensors[donor][places[donor]].double()
        elif having:
            default = sum(tensors[m][places[m]].double() for m in having) / len(having)
        else:
            default = torch.zeros(())
        for m in models:
            forced = wanted is not None and wanted.force
            out[m][number] = tensors[m][places[m]] if places[m] >= 0 and not forced else default
    for rows in out.values():
        rows[plan.tokens :] = rows[: plan.tokens].mean(0)
    return out


def _wanted_row(wanted, plan, tensors, places):
    if wanted.kind == "zero":
        return torch.zeros(())
    if wanted.kind == "model":
        return tensors[wanted.model][places[wanted.model]].double()
    if wanted.token_id is not None:
        return tensors[wanted.model][wanted.token_id].double()
    vocabulary = tokenizers.Tokenizer.from_file(f"{wanted.model}/tokenizer.json")
    return tensors[wanted.model][vocabulary.token_to_id(wanted.token)].double()


@pytest.mark.parametrize("base", ["a", None])
@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_rows_are_those_of_the_rules(tmp_path: Path, monkeypatch, spec, base):
    folders = save_models(tmp_path)
    monkeypatch.chdir(tmp_path)
    plan = plan_tokenizer(spec, folders, "a")
    checkpoints = opened(folders)
    found = aligned(checkpoints, plan, base=base)
    for name in (EMBEDDING, HEAD, "lm_head.bias"):
        tensors = {m: tensor_of(c, name) for m, c in checkpoints.items()}
        expected = rows_by_loops(plan, spec, tensors, base)
        for m, rows in expected.items():
            torch.testing.assert_close(
                tensor_of(found[m], name).double(), rows, rtol=1e-6, atol=1e-7
            )
    for m, checkpoint in checkpoints.items():
        assert found[m].entries[LAYER] is checkpoint.entries[LAYER]


def test_rows_that_are_in_place_stay_where_they_are(tmp_path: Path):
    folders = save_models(tmp_path)
    checkpoints = opened(folders)
    found = aligned(checkpoints, plan_tokenizer("base", folders, "a"), base="a")
    assert found["a"].entries == checkpoints["a"].entries
    assert found["b"].entries[HEAD].file == COMPUTED
    assert len(found["b"].files) == 3
    save_config(tmp_path / "a", 33)
    cut = aligned(checkpoints, plan_tokenizer("base", folders, "a"), base="a")
    entry = cut["a"].entries[EMBEDDING]
    assert (entry.file, entry.shape) == (0, (33, 6))
    whole = tensor_of(checkpoints["a"], EMBEDDING)
    assert torch.equal(tensor_of(cut["a"], EMBEDDING), whole[:33])


def test_what_determines_the_rows_is_in_their_identity(tmp_path: Path):
    folders = save_models(tmp_path)

    def identity(spec: str, base: str | None = "a", **options) -> str:
        plan = plan_tokenizer(SPECS[spec], folders, "a")
        found = aligned(opened(folders), plan, base=base, **options)
        return found["b"].entries[EMBEDDING].tensor.identity

    first = identity("union")
    assert identity("union") == first
    others = [
        identity("tokens padded"), identity("tokens"), identity("padded"), identity("union", None),
        identity("union", None, dtype="BF16"), identity("union", rounding="stepwise"),
    ]  # fmt: skip
    assert len({first, *others}) == 7
    os.utime(tmp_path / "c" / "model.safetensors", (1, 1))
    assert identity("union") != first


def test_dtypes_are_widened_or_as_asked(tmp_path: Path):
    folders = save_models(tmp_path, torch.bfloat16)
    half = {n: t.half() for n, t in taujp.merge_many([folders["b"]], [1.0]).items()}
    save_file(half, tmp_path / "b" / "model.safetensors")
    checkpoints, plan = opened(folders), plan_tokenizer("union", folders, "a")
    wide = aligned(checkpoints, plan)
    for m, checkpoint in wide.items():
        entry = checkpoint.entries[EMBEDDING]
        assert entry.dtype == "F32"
        own = plan.gathers[m] >= 0
        rows = tensor_of(checkpoints[m], EMBEDDING)[plan.gathers[m][own]]
        assert torch.equal(tensor_of(checkpoint, EMBEDDING)[own], rows.float())
    narrow = aligned(checkpoints, plan, dtype="F16")
    assert {c.entries[HEAD].dtype for c in narrow.values()} == {"F16"}
    assert tensor_of(narrow["a"], HEAD).dtype == torch.float16
    gathered = aligned(checkpoints, plan_tokenizer("base", folders, "a"), base="a", dtype="F16")
    assert {c.entries[HEAD].dtype for c in gathered.values()} == {"F32"}  # no averages to round


def test_a_tensor_that_some_lack_is_aligned_among_the_others(tmp_path: Path):
    folders = save_models(tmp_path)
    tied = taujp.merge_many([folders["a"]], [1.0])
    del tied[HEAD]
    save_file(tied, tmp_path / "a" / "model.safetensors")
    checkpoints, plan = opened(folders), plan_tokenizer("union", folders, "a")
    found = aligned(checkpoints, plan, base="a")
    assert HEAD not in found["a"].entries
    number = plan.vocabulary["<bc>"]
    assert plan.gathers["a"][number] == -1
    rows = tensor_of(found["b"], HEAD)
    only_a = plan.vocabulary["<a>"]
    assert torch.equal(rows[only_a], torch.zeros(6))  # of those that have a head, none has it
    assert torch.equal(
        tensor_of(found["b"], EMBEDDING)[only_a], tied[EMBEDDING][plan.gathers["a"][only_a]]
    )


def test_tied_names_stay_tied(tmp_path: Path):
    folders = save_models(tmp_path)
    for name, folder in folders.items():
        state = taujp.merge_many([folder], [1.0])
        os.remove(f"{folder}/model.safetensors")
        torch.save({**state, HEAD: state[EMBEDDING]}, f"{folder}/pytorch_model.bin")
        assert open_checkpoint(folder).ties, name
    plan = plan_tokenizer("union", folders, "a")
    found = aligned(opened(folders), plan, base="a")
    merged = taujp.merge_many(list(found.values()), [0.2, 0.3, 0.5])
    assert merged[EMBEDDING].shape == (plan.vocab_size, 6)
    assert torch.equal(merged[EMBEDDING], merged[HEAD])


def test_merges_from_files_are_those_in_memory(tmp_path: Path, dtype):
    (tmp_path / "in").mkdir()
    folders = save_models(tmp_path / "in", dtype)
    found = aligned(opened(folders), plan_tokenizer(SPECS["padded"], folders, "a"), base="a")
    arguments = ([found["b"], found["c"]], [0.4, 0.7], found["a"])
    for method in ("task_arithmetic", "ties", "nuslerp"):
        expected = taujp.merge_many(*arguments, method=method)
        out = tmp_path / "out.safetensors"
        taujp.merge_many(*arguments, method=method, out=out)
        written = open_checkpoint(out)
        for name, tensor in expected.items():
            assert torch.equal(tensor_of(written, name), tensor), f"{method} {name}"
        os.remove(out)
    assert left_in(tmp_path) == {"in"}


@pytest.mark.parametrize("spec", ["union", "tokens", "padded"])
def test_errors_say_what_disagrees(tmp_path: Path, spec: str):
    folders = save_models(tmp_path)
    plan = plan_tokenizer(SPECS[spec], folders, "a")
    state = taujp.merge_many([folders["b"]], [1.0])
    short = {**state, EMBEDDING: state[EMBEDDING][:20].clone()}
    checkpoints = opened(folders)
    checkpoints["b"] = open_checkpoint(short, label="b")
    with pytest.raises(CheckpointError, match=f"b has '{EMBEDDING}' of 20 rows, and"):
        aligned(checkpoints, plan, names=[EMBEDDING])
    checkpoints["b"] = open_checkpoint({**state, HEAD: torch.zeros(50, 7)}, label="b")
    with pytest.raises(CheckpointError, match="of different lengths"):
        aligned(checkpoints, plan)
    with pytest.raises(CheckpointError, match="x is none of the plan's models"):
        aligned({**checkpoints, "x": checkpoints["a"]}, plan)


def test_a_chosen_row_of_a_model_that_is_not_merged_here(tmp_path: Path):
    folders = save_models(tmp_path)
    plan = plan_tokenizer(SPECS["tokens"], folders, "a")
    checkpoints = opened(folders)
    del checkpoints["c"]
    with pytest.raises(CheckpointError, match="takes its row from c"):
        aligned(checkpoints, plan)


def test_a_chosen_row_is_not_asked_for_where_every_model_has_the_token(tmp_path: Path):
    folders = save_models(tmp_path)
    own = {m: plan_tokenizer("base", folders, m).vocabulary for m in folders}
    token = next(t for t in own["a"] if t in own["b"] and t not in own["c"])
    row = {"source": {"kind": "model_token", "model": "c", "token_id": 3}}
    plan = plan_tokenizer(tokenizer_spec(None, {"tokens": {token: row}}), folders, "a")
    checkpoints = opened(folders)
    del checkpoints["c"]
    found = aligned(checkpoints, plan, base="a")
    for m, checkpoint in checkpoints.items():
        ours = tensor_of(found[m], HEAD)[plan.vocabulary[token]]
        assert torch.equal(ours, tensor_of(checkpoint, HEAD)[own[m][token]])


def test_which_tensors_are_of_the_vocabulary():
    def names(*shapes: dict[str, tuple[int, ...]], rows: tuple[int, ...]) -> set[str]:
        states = [{n: torch.zeros(shape) for n, shape in named.items()} for named in shapes]
        checkpoints = {str(i): open_checkpoint(state) for i, state in enumerate(states)}
        return set(vocabulary_names(checkpoints, {str(i): n for i, n in enumerate(rows)}))

    bert = {
        "embeddings.word_embeddings.weight": (9, 4),
        "embeddings.position_embeddings.weight": (9, 4),
        "encoder.layer.0.output.dense.weight": (4, 4),
        "cls.predictions.bias": (9,),
        "cls.predictions.decoder.weight": (9, 4),
        "cls.predictions.transform.dense.weight": (4, 4),
    }
    found = {*list(bert)[:1], *list(bert)[3:5]}
    assert names(bert, rows=(9,)) == found
    # one of no known name: as many rows as the vocabulary, and nothing in the layers is so large
    bert["scores.weight"] = (9, 4)
    assert names(bert, rows=(9,)) == {*found, "scores.weight"}
    assert names(bert, {**bert, "scores.weight": (7, 4)}, rows=(9, 7)) == {*found, "scores.weight"}
    assert names(bert, bert, rows=(9, 7)) == found
    square = {"wte.weight": (4, 4), "h.0.mlp.weight": (4, 4), "score.weight": (4, 4)}
    assert names(square, rows=(4,)) == {"wte.weight"}
    assert names({"wte.weight": (3, 4)}, rows=(9,)) == set()


def test_a_plan_of_equal_tokenizers_needs_no_torch(tmp_path: Path):
    save_tokenizer(tmp_path / "a")
    save_config(tmp_path / "a", 40)
    save_file({EMBEDDING: torch.zeros(40, 2)}, tmp_path / "a" / "model.safetensors")
    code = f"""
import sys
from taujp.checkpoint import open_checkpoint
from taujp.mergekit.tokenizer_plan import plan_tokenizer
from taujp.mergekit.embeddings import aligned
folders = {{"a": {str(tmp_path / "a")!r}, "b": {str(tmp_path / "a")!r}}}
plan = plan_tokenizer("union", folders)
found = aligned({{name: open_checkpoint(folder) for name, folder in folders.items()}}, plan)
assert found["b"].entries["{EMBEDDING}"].shape == (40, 2)
print([name for name in ("torch", "transformers", "tokenizers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
