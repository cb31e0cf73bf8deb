"""What a command loads before it works, by its modules and not by the clock; and how it ends."""

from __future__ import annotations

import io
import subprocess
import sys

import pytest

from mergekit_runs import models
from small_llamas import family
from taujp.cli import COMMANDS
from taujp.commands.merge_progress import Bar

yaml = pytest.importorskip("yaml", reason="configurations are YAML")

# Each costs a merge of files 2 to 50 ms and does nothing for it: torch and its kin, what shows
# progress, reads zips and pickles, logs, or says which packages are installed.
IDLE = {
    "concurrent.futures", "csv", "difflib", "importlib.metadata", "logging", "multiprocessing",
    "numpy", "pickle", "random", "subprocess", "tempfile", "tokenizers", "torch", "tqdm",
    "transformers", "zipfile",
}  # fmt: skip
OWN = {
    "taujp.checkpoint.compact_file", "taujp.checkpoint.lora_adapter",
    "taujp.checkpoint.lora_change", "taujp.checkpoint.module_file", "taujp.checkpoint.torch_file",
    "taujp.merge.dry_run", "taujp.merge.methods.tsv_m", "taujp.merge.tensors_to_files",
}  # fmt: skip
LOADED = """
import sys
before = set(sys.modules)
from taujp.cli import main
assert main(sys.argv[1:]) == 0
print(*(set(sys.modules) - before))
"""
LEFT = """
import atexit, gc, sys
atexit.register(lambda: print("registered;", "left" if gc.get_freeze_count() else "gone through"))
from taujp.__main__ import run
if "triton" in sys.argv:
    sys.modules["triton"] = sys
sys.argv = ["taujp", "methods", "linear"]
run()
"""


def printed(code: str, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("method", "weight", "parameters"),
    [
        ("linear", {"weight": [1, 2]}, {}),
        ("ties", {"weight": [1, 2]}, {"density": 0.5}),
        ("sce", {}, {"select_topk": 0.5}),
        ("slerp", {}, {"t": 0.3}),
    ],
)
def test_a_merge_loads_what_it_works_with(tmp_path, method, weight, parameters):
    base, tuned = family(tmp_path, 2)
    config = {
        "merge_method": method,
        "models": models(tuned, **weight),
        "parameters": parameters,
        "base_model": tuned[0] if method == "slerp" else base,
    }
    if method == "linear":
        del config["base_model"]
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config))
    loaded = set(printed(LOADED, "mergekit", str(path), str(tmp_path / "out"), "-q")[-1].split())
    assert "taujp.merge.engine" in loaded
    assert loaded & (IDLE | OWN) == set()
    others = {f"taujp.commands.{module}" for module, _ in COMMANDS.values()}
    assert loaded & others == {"taujp.commands.mergekit"}


@pytest.mark.parametrize(("with_triton", "end"), [("", "left"), ("triton", "gone through")])
def test_the_end_of_a_process(with_triton, end):
    assert printed(LEFT, with_triton)[-1] == f"registered; {end}"


class Terminal(io.StringIO):
    """What is written to somebody who watches."""

    def isatty(self) -> bool:
        return True


def test_a_bar_is_drawn_once_there_is_something_to_show(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar(quiet=False) as show:
        show(0, 4000)
        assert terminal.getvalue() == ""  # the engine is not at work yet
        show(1000, 4000)
        show(4000, 4000)
    assert "merge:  25%" in terminal.getvalue()
    with Bar(quiet=True) as show:
        assert show is None
