"""Models that differ: in tensors, heads, dtypes, integers, names, architectures."""

from __future__ import annotations

import sys

import pytest
import torch

import taujp
from mergekit_runs import WEIGHTS, config_of, models, run, same
from small_llamas import WIDTH, family, llama, save
from taujp import CheckpointError, MergeError


def test_all_that_is_missing_is_listed_before_any_work(tmp_path):
    a, b = llama(seed=1), llama(seed=2)
    del b["model.layers.1.mlp.up_proj.weight"], b["model.norm.weight"]
    b["model.extra.weight"] = torch.zeros(2)
    b["model.layers.0.self_attn.q_proj.weight"] = torch.zeros(WIDTH, 3)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    with pytest.raises(CheckpointError) as error:
        run(config, tmp_path / "out")
    for told in (
        "in 4 places",
        f"{two} lacks 'model.layers.1.mlp.up_proj.weight'; {one} has it",
        f"{two} lacks 'model.norm.weight'",
        f"{one} lacks 'model.extra.weight'; {two} has it",
        "of shape (8, 3)",
    ):
        assert told in str(error.value)
    with pytest.raises(MergeError, match="a merge makes a model's folder"):
        run(config, tmp_path / "out.safetensors")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]
    b["model.layers.0.self_attn.q_proj.weight"] = torch.zeros(WIDTH, WIDTH)
    save(tmp_path / "b", b)
    merged, notes = run(config, tmp_path / "out", missing="ignore")
    assert merged.keys() == a.keys() | b.keys()
    assert torch.equal(merged["model.norm.weight"], a["model.norm.weight"])
    assert sum("is not in all models: copied from" in note for note in notes) == 3
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "cast", missing="ignore")
    assert {tensor.dtype for tensor in merged.values()} == {torch.bfloat16}


def test_buffers_that_models_work_out_need_not_be_everywhere(tmp_path):
    a, b = llama(seed=1), llama(seed=2)
    b["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(4)
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    assert merged.keys() == a.keys()
    assert any("1 buffers that models work out themselves" in note for note in notes)


@pytest.mark.parametrize("first_is_tied", [True, False])
def test_tied_and_untied_heads_are_merged_to_an_untied_one(tmp_path, first_is_tied):
    tied, free = llama(seed=1, tied=True), llama(seed=2)
    paths = [save(tmp_path / "tied", tied), save(tmp_path / "free", free)]
    paths = paths if first_is_tied else paths[::-1]
    weight = [0.25, 0.75] if first_is_tied else [0.75, 0.25]
    config = {"merge_method": "linear", "models": models(paths, weight=weight)}
    merged, _ = run(config, tmp_path / "out")
    head = 0.25 * tied["model.embed_tokens.weight"] + 0.75 * free["lm_head.weight"]
    torch.testing.assert_close(merged["lm_head.weight"], head)
    assert config_of(tmp_path / "out")["tie_word_embeddings"] is False


def test_tied_heads_stay_tied(tmp_path):
    _, tuned = family(tmp_path, 2, tied=True)
    config = {"merge_method": "linear", "models": models(tuned, weight=[1, 1])}
    merged, _ = run(config, tmp_path / "out")
    assert "lm_head.weight" not in merged
    assert config_of(tmp_path / "out")["tie_word_embeddings"] is True


def test_torch_files_keep_what_shares_a_storage(tmp_path):
    paths = []
    for i in range(2):
        state = llama(seed=i, tied=True)
        folder = tmp_path / f"{i}"
        save(folder, state)
        (folder / "model.safetensors").unlink()
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
        torch.save(state, folder / "pytorch_model.bin")
        paths.append(str(folder))
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 3])}
    merged, _ = run(config, tmp_path / "out")
    assert torch.equal(merged["lm_head.weight"], merged["model.embed_tokens.weight"])
    assert set(merged) == set(llama())


def test_different_dtypes_are_told(tmp_path):
    one = save(tmp_path / "a", llama(seed=1, dtype=torch.bfloat16))
    two = save(tmp_path / "b", llama(seed=2, dtype=torch.float16))
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float32}
    assert any("differ in dtype" in note and "float32" in note for note in notes)
    assert config_of(tmp_path / "out")["torch_dtype"] == "float32"
    merged, notes = run({**config, "dtype": "float32", "out_dtype": "float16"}, tmp_path / "half")
    assert {tensor.dtype for tensor in merged.values()} == {torch.float16}
    assert not notes


def test_integers_must_be_equal_and_are_copied(tmp_path):
    states = [{**llama(seed=i), "model.ids": torch.arange(3)} for i in range(2)]
    paths = [save(tmp_path / f"{i}", state) for i, state in enumerate(states)]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, _ = run({**config, "dtype": "bfloat16"}, tmp_path / "out")
    assert torch.equal(merged["model.ids"], torch.arange(3))
    save(tmp_path / "1", {**states[1], "model.ids": torch.arange(3) + 1})
    with pytest.raises(CheckpointError, match=r"'model\.ids' with 1 at element 0"):
        run(config, tmp_path / "other")
    save(tmp_path / "1", {**states[1], "model.ids": torch.zeros(3)})
    with pytest.raises(CheckpointError, match="integers must be equal"):
        run(config, tmp_path / "other")


def test_stepwise_is_for_chains_in_one_dtype(tmp_path):
    base, tuned = family(tmp_path, dtype=torch.bfloat16)
    config = {"base_model": base, "models": models(tuned, weight=WEIGHTS)}
    ties = {**config, "merge_method": "ties"}
    merged, _ = run(ties, tmp_path / "ties", rounding="stepwise")
    expected = taujp.merge_many(
        tuned, WEIGHTS, base, method="ties", density=1.0, rounding="stepwise"
    )
    same(merged, expected)
    with pytest.raises(MergeError, match="BF16 become F16: use rounding 'exact'"):
        run({**ties, "dtype": "float16"}, tmp_path / "out", rounding="stepwise")
    with pytest.raises(MergeError, match="sce has no rounding 'stepwise'"):
        run({**config, "merge_method": "sce"}, tmp_path / "out", rounding="stepwise")
    linear = {"merge_method": "linear", "models": config["models"]}  # rounds once there too
    merged, _ = run(linear, tmp_path / "linear", rounding="stepwise")
    same(merged, taujp.merge_many(tuned, WEIGHTS, normalize=True))


def test_prefixes_of_the_same_model_do_not_matter(tmp_path):
    a, b = llama(seed=1, tied=True), llama(seed=2, tied=True)
    bare = {name.removeprefix("model."): tensor for name, tensor in b.items()}
    one, two = save(tmp_path / "a", a), save(tmp_path / "b", b)
    three = save(tmp_path / "bare", bare, num_hidden_layers=4)
    expected = taujp.merge_many([a, b], [1, 1], normalize=True)
    config = {"merge_method": "linear", "models": models([one, three], weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    same(merged, expected)
    assert "'^' -> 'model.'" in notes[0]
    config["models"] = models([three, one], weight=[1, 1])
    merged, _ = run(config, tmp_path / "out2")
    same(merged, {n.removeprefix("model."): tensor for n, tensor in expected.items()})
    run({**config, "models": models([one, two], weight=[1, 1])}, tmp_path / "out3")


def test_old_names_of_layer_norms(tmp_path):
    old = {"bert.LayerNorm.gamma": torch.ones(3), "bert.LayerNorm.beta": torch.zeros(3)}
    new = {"bert.LayerNorm.weight": torch.ones(3) * 3, "bert.LayerNorm.bias": torch.ones(3)}
    paths = [save(tmp_path / "new", new), save(tmp_path / "old", old)]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, _ = run(config, tmp_path / "out")
    same(
        merged, {name: (tensor + (0 if "bias" in name else 1)) / 2 for name, tensor in new.items()}
    )


def test_files_have_no_tokenizer(tmp_path):
    paths = [
        f"{save(tmp_path / name, llama(seed=i))}/model.safetensors" for i, name in enumerate("ab")
    ]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, notes = run(config, tmp_path / "out")
    assert set(merged) == set(llama())
    assert any("has no config.json: the output gets no config and no tokenizer" in n for n in notes)
    with pytest.raises(MergeError, match="are files; expected folders"):
        run({**config, "tokenizer_source": "union"}, tmp_path / "other")


def test_no_chat_template_to_choose_is_told(tmp_path):
    _, paths = family(tmp_path, 2)
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    _, notes = run({**config, "chat_template": "auto"}, tmp_path / "out")
    assert any("no model has a chat template: the output gets none" in note for note in notes)


def test_a_chat_template_for_a_donor_without_a_tokenizer_is_told_and_left(tmp_path):
    _, paths = family(tmp_path, 2)
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    _, notes = run({**config, "chat_template": "chatml"}, tmp_path / "out")
    assert any(f"{paths[0]} has no tokenizer to put it in; name a model" in n for n in notes)
    assert not (tmp_path / "out" / "chat_template.jinja").exists()


def test_yaml_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match=r"taujp\[mergekit\]"):
        taujp.mergekit("merge_method: linear\n", tmp_path / "out")


def test_architectures_are_not_mixed_by_accident(tmp_path):
    one = save(tmp_path / "a", llama(seed=1))
    two = save(tmp_path / "b", llama(seed=2), architectures=["OtherForCausalLM"])
    config = {"merge_method": "linear", "models": models([one, two], weight=[1, 1])}
    with pytest.raises(MergeError, match="different architectures"):
        run(config, tmp_path / "out")
    merged, _ = run(config, tmp_path / "out", allow_crimes=True)
    assert set(merged) == set(llama())
    other = {"model": {"path": two}, "override_architecture": config_of(one)["architectures"][0]}
    config["models"][1]["model"] = other
    assert run(config, tmp_path / "overridden")[0].keys() == merged.keys()
    with pytest.raises(MergeError, match=r"override_architecture is 3; expected a text"):
        run({**config, "base_model": {**other, "override_architecture": 3}}, tmp_path / "no")


def test_models_that_are_not_there_are_listed(tmp_path):
    config = {"merge_method": "linear", "models": models(["no/one", "no/two"], weight=[1, 1])}
    with pytest.raises(MergeError) as error:
        run(config, tmp_path / "out")
    assert "'no/one'" in str(error.value)
    assert "'no/two'" in str(error.value)
