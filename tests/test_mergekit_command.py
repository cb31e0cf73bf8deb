"""`taujp mergekit`: documents, the output's folder, flags, and what a run imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import save_file

import taujp
from mergekit_runs import DOCUMENTS, WEIGHTS, config_of, models, read, run, same
from small_llamas import TOKENS, WIDTH, family, llama
from taujp import MergeError
from taujp.cli import main
from test_merge_ranks import contents, launch


def test_documents_are_made_in_turn_and_taken_again(tmp_path):
    _, (one, two) = family(tmp_path, 2)
    text = DOCUMENTS.format(one, two, 1)
    merged, _ = run(text, tmp_path / "out")
    a, b = read(one), read(two)
    for name, tensor in merged.items():
        torch.testing.assert_close(tensor, 0.25 * a[name] + 0.75 * b[name])
    made = tmp_path / "out-intermediate" / "half"
    before = made.stat().st_ino
    other = DOCUMENTS.format(one, two, 3)
    _, notes = run(other, tmp_path / "again", intermediates=tmp_path / "out-intermediate")
    assert any("half: taken as it is" in note for note in notes)
    assert made.stat().st_ino == before
    run(other, tmp_path / "anew", intermediates=made.parent, lazy=False)
    assert made.stat().st_ino != before
    run(text.replace("weight: 1}}\n---", "weight: 2}}\n---"), tmp_path / "changed",
        intermediates=made.parent)  # fmt: skip
    same(read(made), taujp.merge_many([one, two], [1, 2], normalize=True))
    os.utime(Path(one) / "config.json")  # an input newer than what was made of it
    _, notes = run(other, tmp_path / "newer", intermediates=made.parent)
    assert not any("taken as it is" in note for note in notes)


def test_of_documents_with_names_the_last_one_is_the_output(tmp_path):
    _, (one, two) = family(tmp_path, 2)
    text = DOCUMENTS.format(one, two, 1).replace("---\n", "---\nname: whole\n")
    merged, _ = run(text, tmp_path / "out")
    assert set(merged) == set(llama())
    loose = text.replace("model: half", f"model: {one}")
    with pytest.raises(MergeError, match="half, whole are used by no other document"):
        run(loose, tmp_path / "other")


def test_the_folder_says_where_it_comes_from(tmp_path):
    base, tuned = family(tmp_path)
    (Path(base) / "tokenizer.json").write_text("{}")
    config = {"merge_method": "ties", "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    text = "# mine\n" + yaml.safe_dump(config)
    out = tmp_path / "out"
    run(text, out, seed=3)
    assert (out / "mergekit_config.yml").read_text() == text + "# seed: 3\n"
    assert text in (out / "README.md").read_text()
    assert (out / "tokenizer.json").exists()
    run(text, tmp_path / "bare", card=False, copy_tokenizer=False)
    names = sorted(path.name for path in (tmp_path / "bare").iterdir())
    assert names == ["config.json", "model.safetensors"]


def command(*arguments: object) -> int:
    return main(["mergekit", *map(str, arguments)])


@pytest.fixture
def written(tmp_path):
    """A configuration's file, and the folder for its output."""
    base, tuned = family(tmp_path)
    config = {"merge_method": "ties", "base_model": base, "models": models(tuned, weight=WEIGHTS)}
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({**config, "parameters": {"density": 0.5}}))
    return path, tmp_path / "out"


def test_the_command(written, capsys):
    path, out = written
    flags = ("--lazy-unpickle", "--low-cpu-memory", "--trust-remote-code", "--write-threads", 4)
    assert command(path, out, *flags, "--random-seed", 3, "--no-write-model-card") == 0
    printed = capsys.readouterr()
    assert printed.out == f"{out}\n"
    for flag in ("--lazy-unpickle", "--low-cpu-memory", "--trust-remote-code", "--write-threads"):
        assert f"{flag} has no effect: " in printed.err
    assert not (out / "README.md").exists()
    assert command(path, out) == 1
    assert "exists" in capsys.readouterr().err
    assert command(path, out, "--overwrite", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_a_chat_template_without_a_tokenizer_is_told_and_left(written, capsys):
    path, out = written
    path.write_text(path.read_text() + "chat_template: chatml\n")
    assert command(path, out, "--no-copy-tokenizer") == 0
    assert "chat_template has no effect: the tokenizer is not copied" in capsys.readouterr().err
    assert not (out / "chat_template.jinja").exists()
    assert (out / "model.safetensors").exists()


def test_a_dry_run_writes_nothing(written, capsys):
    path, out = written
    before = sorted(out.parent.iterdir())
    assert command(path, out, "--dry-run") == 0
    assert "ties of 4 models" in capsys.readouterr().out
    assert sorted(out.parent.iterdir()) == before


def test_shards(written):
    path, out = written
    assert command(path, out, "--out-shard-size", "1K") == 0
    index = json.loads((out / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"]) == set(llama())
    assert len(set(index["weight_map"].values())) > 3
    assert command(path, out.parent / "one", "--out-shard-size", "5B") == 0
    assert (out.parent / "one" / "model.safetensors").exists()
    same(read(out), read(out.parent / "one"))


def test_ranks_of_torchrun_share_the_files(written):
    path, out = written
    flags = ("--out-shard-size", "1K", "--no-write-model-card")
    done = launch(2, "-m", "taujp", "mergekit", str(path), str(out), *flags)
    assert done.returncode == 0, done.stderr
    assert command(path, out.parent / "one", *flags) == 0
    assert contents(out) == contents(out.parent / "one")


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--unsafe-truncate-embeddings"], "tokenizer_source: base"),
        (["--no-safe-serialization"], "safetensors"),
        (["--device", "tpu"], "'tpu'"),
    ],
)
def test_what_is_refused(written, capsys, flags, told):
    path, out = written
    assert command(path, out, *flags) == 1
    assert told in capsys.readouterr().err
    assert not out.exists()


def test_cuda_needs_a_gpu(written, capsys):
    path, out = written
    assert command(path, out, "--cuda") == (0 if torch.cuda.is_available() else 1)
    assert out.exists() or "cuda" in capsys.readouterr().err


def test_a_dry_run_of_documents_needs_what_is_made_first(tmp_path, capsys):
    _, (one, two) = family(tmp_path, 2)
    path = tmp_path / "config.yml"
    path.write_text(DOCUMENTS.format(one, two, 1))
    assert command(path, tmp_path / "out", "--dry-run") == 1
    assert "half is not made yet; its merge comes first" in capsys.readouterr().err
    assert command(path, tmp_path / "out") == 0
    assert command(path, tmp_path / "out", "--dry-run") == 0
    assert capsys.readouterr().out.count("linear of 2 models") == 2


def test_a_file_that_is_not_there(tmp_path, capsys):
    assert command(tmp_path / "none.yml", tmp_path / "out") == 1
    assert "none.yml" in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written(written, capsys):
    path, _ = written
    assert command(path, path / "out", "-q") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"taujp mergekit: cannot write '{path}/out': ")
    assert "choose a place where you may write" in said


def test_keys_without_effect_are_told(written, capsys):
    path, out = written
    path.write_text(path.read_text() + "int8_mask: true\n")
    assert command(path, out, "--dry-run") == 0
    told = "configuration has int8_mask, without effect (in mergekit too); int8_mask would count"
    assert told in capsys.readouterr().err


CODE = """
import sys
from taujp.cli import main
code = main(["mergekit", *sys.argv[1:]])
imported = {name.split(".")[0] for name in sys.modules}
heavy = {"torch", "transformers", "tokenizers", "numpy"} & imported
sys.exit(code or len(heavy))
"""


@pytest.mark.parametrize("seed", ["1", "2"])
def test_pointwise_methods_need_no_torch_and_no_hash_seed(written, seed):
    path, out = written
    config = yaml.safe_load(path.read_text())
    names = [item["model"] for item in config["models"]]
    for i, name in enumerate([*names, config.pop("base_model")]):
        marked = {**config_of(name), "mark": i}
        (Path(name) / "config.json").write_text(json.dumps(marked))
    config |= {"merge_method": "linear", "parameters": {}}
    path.write_text(yaml.safe_dump(config))
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(path), str(out)], env=environment, check=False
    )
    assert done.returncode == 0
    assert config_of(out)["mark"] == 0  # of models without a base always the first


@pytest.mark.parametrize("method", ["slerp", "nuslerp", "multislerp", "karcher", "model_stock"])
def test_methods_of_dot_products_need_no_torch(tmp_path, method):
    base, tuned = family(tmp_path, 2)
    config = {"merge_method": method, "base_model": base, "models": models(tuned, weight=[1, 2])}
    if method == "slerp":
        config |= {"models": models(tuned), "base_model": tuned[0], "parameters": {"t": 0.3}}
    if method in ("karcher", "model_stock"):
        config |= {"models": models(tuned)}
    if method == "karcher":
        del config["base_model"]
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config))
    done = subprocess.run([sys.executable, "-c", CODE, path, tmp_path / "out"], check=False)
    assert done.returncode == 0


def test_the_package_is_the_function(tmp_path):
    _, tuned = family(tmp_path, 2)
    config = {"merge_method": "linear", "models": models(tuned, weight=[1, 1])}
    import taujp.mergekit.config  # makes the name the package's

    assert taujp.mergekit(config, tmp_path / "out") == str(tmp_path / "out")
    assert callable(taujp.mergekit)


def test_adapters_are_applied_as_they_are_read(tmp_path):
    base, (tuned,) = family(tmp_path, 1)
    name = "model.layers.0.mlp.up_proj"
    shape = read(base)[f"{name}.weight"].shape
    a, b = torch.randn(2, shape[1]), torch.randn(shape[0], 2)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    weights = {
        f"base_model.model.{name}.lora_A.weight": a,
        f"base_model.model.{name}.lora_B.weight": b,
    }
    save_file(weights, adapter / "adapter_model.safetensors")
    settings = {"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["up_proj"]}
    (adapter / "adapter_config.json").write_text(json.dumps(settings))
    paths = [f"{base}+{adapter}", tuned]
    config = {"merge_method": "linear", "models": models(paths, weight=[1, 1])}
    merged, _ = run(config, tmp_path / "out")
    adapted = {**read(base)}
    adapted[f"{name}.weight"] = adapted[f"{name}.weight"] + 2.0 * b @ a
    expected = taujp.merge_many([adapted, tuned], [1, 1], normalize=True)
    for key, tensor in expected.items():
        torch.testing.assert_close(merged[key], tensor)
    assert merged["lm_head.weight"].shape == (TOKENS, WIDTH)
