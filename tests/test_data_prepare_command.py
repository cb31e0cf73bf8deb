"""`taujp data prepare|check|list` as a user types it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from published_layouts.every import PUBLISHED
from published_layouts.pictures import write_picture
from taujp.cli import main


def test_prepare_check_and_list(tmp_path, capsys):
    PUBLISHED["dtd"].raw(tmp_path)
    root = ["--root", str(tmp_path)]
    assert main(["data", "prepare", "dtd", "--as-it-is", *root]) == 0
    assert "from the raw download, 85/9/47 images" in capsys.readouterr().out
    assert main(["data", "prepare", "dtd", *root]) == 0
    assert "is prepared already" in capsys.readouterr().out
    assert main(["data", "check", "dtd", *root]) == 1  # its counts are not the published ones
    shown = capsys.readouterr().out
    assert "dtd: 3 faults (train 85, validation 9, test 47; images decoded)" in shown
    assert "train has 85 images; the published split has 3384" in shown
    assert "what to do: unpack the download again" in shown
    assert main(["data", "list", *root]) == 0
    lines = {line.split()[0]: line.split() for line in capsys.readouterr().out.splitlines()[2:]}
    assert lines["dtd"] == ["dtd", "47", "8", "3384/376/1880", "76", "prepared"]
    assert lines["cars"][-1] == "missing"


def test_json_of_check_and_list(tmp_path, capsys):
    assert main(["data", "check", "digits", "--quick", "--json", "--root", str(tmp_path)]) == 0
    (checked,) = json.loads(capsys.readouterr().out)
    assert checked["counts"] == {"train": 1168, "validation": 129, "test": 500}
    assert (checked["faults"], checked["images_read"]) == ([], False)
    (tmp_path / "EuroSAT.zip").touch()
    assert main(["data", "list", "--json", "--root", str(tmp_path)]) == 0
    here = {row["task"]: row["here"] for row in json.loads(capsys.readouterr().out)}
    assert (here["eurosat"], here["digits"]) == ("archive found", "no download needed")


def test_from_another_folder_with_copies(tmp_path):
    PUBLISHED["eurosat"].raw(tmp_path / "source", each=5)
    command = ["data", "prepare", "eurosat", "--root", str(tmp_path / "root"), "--as-it-is"]
    assert main([*command, "--from", str(tmp_path / "source"), "--copy", "--seed", "3"]) == 0
    image = next((tmp_path / "root/prepared/eurosat/test/River").iterdir())
    assert image.stat().st_nlink == 1
    assert main([*command, "--from", str(tmp_path / "source"), "--link", "--again"]) == 0
    assert next((tmp_path / "root/prepared/eurosat/test/River").iterdir()).is_symlink()


def test_the_task_file_of_the_guide_is_prepared_and_checked(tmp_path, capsys):
    guide = (Path(__file__).parent.parent / "docs" / "data.md").read_text()
    (tmp_path / "leaves.py").write_text(guide.split("```python\n")[1].split("```")[0])
    for split, count in (("train", 10), ("test", 2)):
        for label, name in enumerate(("oak", "beech")):
            for number in range(count):
                write_picture(tmp_path / "leaves" / split / name / f"{split}{number}.png", label)
    command = [str(tmp_path / "leaves.py"), "--root", str(tmp_path)]
    assert main(["data", "prepare", *command]) == 0
    assert main(["data", "check", *command]) == 0
    assert "leaves: no fault (train 18, validation 2, test 4" in capsys.readouterr().out
    folder = [f"folder:{tmp_path / 'leaves'}", "--root", str(tmp_path / "elsewhere")]
    assert main(["data", "check", *folder]) == 0
    assert "leaves: no fault (train 18, validation 2, test 4" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["prepare", "svhn"], "Street View House Numbers (SVHN), cropped digits"),
        (["prepare", "svhm"], "'svhm' is not registered; expected one of"),
        (["check", "svhm"], "'svhm' is not registered; expected one of"),
    ],
)
def test_errors_say_what_to_do(tmp_path, capsys, command, message):
    assert main(["data", *command, "--root", str(tmp_path)]) == 1
    assert message in capsys.readouterr().err


def test_help_needs_no_torch():
    script = (
        "import sys; from taujp.cli import main\n"
        "try: main(['data', 'check', '--help'])\n"
        "except SystemExit: print('torch' in sys.modules, 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "False False", done.stdout + done.stderr
