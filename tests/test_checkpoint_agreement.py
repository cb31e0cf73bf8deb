"""Agreement of checkpoints: all disagreements come at once, and ties follow the base."""

import pytest
import torch
from safetensors.torch import save_file

from taujp.checkpoint import (
    CheckpointError,
    check_agreement,
    check_integer_buffers,
    open_checkpoint,
)


def state(**changes):
    found = {
        "w": torch.ones(2, 3),
        "b": torch.zeros(3, dtype=torch.bfloat16),
        "count": torch.tensor([1, 2, 3]),
        "scale": torch.tensor(1.0),
    }
    found.update(changes)
    return {name: tensor for name, tensor in found.items() if tensor is not None}


def opened(label="checkpoint 1 ('mnist.safetensors')", **changes):
    return open_checkpoint(state(**changes), label=label)


BASE = opened("the base")


def complaint(*checkpoints, base=BASE, **options):
    with pytest.raises(CheckpointError) as caught:
        check_agreement(base, checkpoints, **options)
    return str(caught.value)


def test_names_are_sorted_and_integers_apart():
    agreement = check_agreement(BASE, [opened(), opened()])
    assert agreement.names == ("b", "scale", "w")
    assert agreement.integers == ("count",)


def test_floating_types_may_differ_and_order_does_not_matter():
    other = open_checkpoint(dict(reversed(state(w=torch.ones(2, 3).half()).items())))
    assert check_agreement(BASE, [other]) == check_agreement(other, [BASE])


def test_without_a_base_the_first_checkpoint_counts():
    assert check_agreement(None, [opened()]).names == ("b", "scale", "w")
    assert "disagree with A in 1 place" in complaint(opened("A"), opened("B", w=None), base=None)
    assert "no checkpoint came" in complaint(base=None)


def test_all_disagreements_are_listed_at_once():
    a = opened("A", w=torch.ones(3, 2), scale=None)
    b = opened("B", count=torch.ones(3), extra=torch.ones(1), b=torch.zeros(3).double())
    said = complaint(a, b).splitlines()
    assert said[0] == "merge: the checkpoints disagree with the base in 5 places:"
    for line in (
        "A lacks 'scale'; the base has it",
        "A has 'w' of shape (3, 2); the base has (2, 3)",
        "B has 'extra'; the base does not",
        "B has 'count' of type F32; the base has I64",
        "B has 'b' of type F64; F32, F16 and BF16 can be merged: cast it first",
    ):
        assert f"  {line}" in said
    assert "rename=" in said[-1]


def test_a_long_list_is_cut():
    base = open_checkpoint({f"layer.{i}": torch.ones(1) for i in range(352)}, label="the base")
    said = complaint(open_checkpoint({}), base=base)
    assert said.count("lacks") == 40
    assert "... and 312 more" in said


def test_missing_ignore_leaves_out_what_one_of_them_lacks():
    others = [opened(w=None), opened(extra=torch.ones(1))]
    assert check_agreement(BASE, others, missing="ignore").names == ("b", "scale")


def test_names_restrict_what_is_compared():
    other = opened(w=torch.ones(9), extra=torch.ones(1))
    assert check_agreement(BASE, [other], names=["scale", "b"]).names == ("b", "scale")
    assert "'nope'" in complaint(other, names=["nope"])


def test_integers_of_another_width_and_unsupported_types_of_the_base():
    assert "I32" in complaint(opened(count=torch.tensor([1, 2, 3], dtype=torch.int32)))
    eight = {"w": torch.ones(2, 3).to(torch.float8_e4m3fn)}
    assert "F8_E4M3" in complaint(opened(**eight), base=opened("the base", **eight))


def test_integer_buffers_have_to_be_equal(tmp_path):
    other = opened("A", count=torch.tensor([1, 2, -4]))
    check_integer_buffers(BASE, [BASE, opened()], ["count"])
    with pytest.raises(CheckpointError, match="A has 'count' with -4 at element 2; there it is 3"):
        check_integer_buffers(BASE, [opened(), other], ["count"])
    path, torch_path = str(tmp_path / "a.safetensors"), str(tmp_path / "a.pt")
    save_file(state(), path)
    torch.save({**state(), "count": torch.tensor([[1, 0], [2, 0], [3, 0]])[:, 0]}, torch_path)
    for source in (path, torch_path):
        on_disk = open_checkpoint(source)
        check_integer_buffers(BASE, [on_disk], ["count"])
        with pytest.raises(CheckpointError, match="-4"):
            check_integer_buffers(on_disk, [other], ["count"])


def tied(label, *, head="tied", first="embed"):
    embed = torch.arange(6.0)
    values = {"tied": embed, "equal": embed.clone(), "other": embed + 1}
    found = {first: embed} if head is None else {first: embed, "head": values[head]}
    return open_checkpoint(found, label=label)


@pytest.mark.parametrize("head", ["tied", "equal", None])
def test_tied_names_are_merged_once(head):
    assert check_agreement(tied("the base"), [tied("A", head=head)]).names == ("embed",)


@pytest.mark.parametrize(("head", "names"), [(None, ("embed",)), ("equal", ("embed", "head"))])
def test_a_base_that_ties_nothing_decides(head, names):
    assert check_agreement(tied("the base", head=head), [tied("A")]).names == names


def test_another_pattern_of_ties_is_a_disagreement():
    says = "has different numbers in 'head' and 'embed'; "
    assert f"A {says}the base" in complaint(tied("A", head="other"), base=tied("the base"))
    assert f"the base {says}A" in complaint(tied("A"), base=tied("the base", head="other"))


def test_only_the_other_name_of_a_tie_is_there():
    other = open_checkpoint({"head": torch.ones(6)}, label="A")
    assert "lacks 'embed' (but 'head', which is tied to it" in complaint(
        other, base=tied("the base")
    )


def test_half_of_a_tie_cannot_be_merged():
    said = complaint(tied("A"), base=tied("the base"), names=["head"])
    assert "'head' is to be merged and 'embed' is not" in said
