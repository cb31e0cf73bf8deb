"""What a mergekit configuration says, and what it may not say."""

from __future__ import annotations

import numpy as np
import pytest

import taujp
from taujp import MergeError
from taujp.mergekit.config import configuration
from taujp.mergekit.documents import in_order, names_used, read_documents, with_folders
from taujp.mergekit.folders import find_place
from taujp.mergekit.keys import stray_keys
from taujp.mergekit.layers import depth, towers
from taujp.mergekit.module_names import names_by_module
from taujp.mergekit.peer_method import Input, find_peer_method, peer_methods, unused_parameters
from taujp.mergekit.reference import Place, model_reference
from taujp.mergekit.settings import resolve, settings_of

MODELS = {"merge_method": "linear", "models": [{"model": "a"}, {"model": "b"}]}
SOURCE = {"model": "a", "layer_range": [0, 2]}


def said(value, name="weight"):
    """One scope that sets one parameter."""
    return settings_of("parameters", {name: value})


def at(value, t=0.0, tensor="model.layers.0.mlp.weight", kind=float):
    return resolve([said(value)], "weight", kind, tensor, t)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"merge_methods": "linear"}, ["'merge_methods'", "its keys are merge_method, models"]),
        ({"slices": [{"sources": [SOURCE]}]}, ["models and slices", "exactly one"]),
        ({"models": None}, ["none of models, slices, modules"]),
        ({"models": []}, ["none of models, slices, modules"]),
        (
            {"models": [{"model": "a", "params": {}}]},
            ["models[0]", "'params'", "model, parameters"],
        ),
        ({"models": [{"parameters": {}}]}, ["models[0] has no model"]),
        ({"models": {"model": "a"}}, ["models is", "expected a list"]),
        ({"models": ["a"]}, ["models[0] is 'a'", "a mapping"]),
        ({"parameters": [1]}, ["parameters is [1]", "a mapping"]),
        ({"parameters": {"weight": [{"values": 1}]}}, ["weight[0]", "'values'", "filter, value"]),
        ({"parameters": {"weight": [{"filter": "mlp"}]}}, ["weight[0]", "expected value"]),
        ({"parameters": {"weight": [[1], 2]}}, ["parameters.weight", "a gradient"]),
        ({"dtype": "float8"}, ["dtype is 'float8'", "float32, float16, bfloat16"]),
        ({"dtype": "float64"}, ["dtype is 'float64'", "say out_dtype: float32"]),
        ({"dtype": "float64", "out_dtype": "float64"}, ["out_dtype is 'float64'"]),
        ({"out_dtype": 16}, ["out_dtype is 16"]),
        ({"base_model": ""}, ["base_model is ''"]),
        ({"merge_method": None}, ["merge_method is None"]),
        ({"experts": []}, ["'experts'", "mergekit-moe"]),
        ({"genome": {}}, ["'genome'", "taujp.search"]),
        ({"tokenizer": {"source": "base"}, "tokenizer_source": "base"}, ["both tokenizer_source"]),
    ],
)
def test_what_is_wrong_is_named_with_its_place(changed, told):
    with pytest.raises(MergeError) as error:
        configuration({**MODELS, **changed})
    for part in told:
        assert part in str(error.value)


def test_keys_that_mergekit_passes_over_are_told():
    document = {
        **MODELS,
        "int8_mask": True,
        "models": [{"model": "a", "layer_range": [0, 2]}, {"model": "b", "weight": 1}],
        "embed_slerp": True,
    }
    assert list(stray_keys(configuration(document).document, {"weight", "int8_mask"})) == [
        "configuration has int8_mask, embed_slerp, without effect (in mergekit too); int8_mask "
        "would count under parameters",
        "models[0] has layer_range, without effect (in mergekit too)",
        "models[1] has weight, without effect (in mergekit too); weight would count under "
        "parameters",
    ]
    modules = {"text": {"slices": [{"sources": [{**SOURCE, "t": 1}]}], "note": ""}}
    found = configuration({"merge_method": "linear", "modules": modules}).document
    places = [told.partition(" has ")[0] for told in stray_keys(found, {"t"})]
    assert places == ["modules.text", "modules.text.slices[0].sources[0]"]


def test_float64_is_told_where_another_dtype_is_written():
    found = configuration({**MODELS, "dtype": "float64", "out_dtype": "bfloat16"})
    assert (found.double, found.dtype, found.written) == (True, None, "BF16")


@pytest.mark.parametrize(
    ("slices", "told"),
    [
        ([{"sources": [{"model": "a"}]}], "slices[0].sources[0].layer_range is None"),
        ([{"sources": [{**SOURCE, "layer_range": [2, 1]}]}], "[2, 1]; expected [first, one past"),
        ([{"sources": [{**SOURCE, "layer_range": [0, 2, 4]}]}], "layer_range is [0, 2, 4]"),
        ([{"sources": []}], "slices[0].sources is []"),
        ([{"sources": [SOURCE], "base": "a"}], "'base'; its keys are sources, base_model"),
        (
            [{"sources": [SOURCE, {"model": "b", "layer_range": [0, 3]}]}],
            "slices[0]: sources of [2, 3] layers",
        ),
    ],
)
def test_slices(slices, told):
    with pytest.raises(MergeError, match="slices") as error:
        configuration({"merge_method": "linear", "slices": slices})
    assert told in str(error.value)


@pytest.mark.parametrize("span", [["0", "4"], ["0", 4], [0.0, 4.0], (" 0", "4.0")])
def test_layers_as_texts_are_those_that_they_name(span):
    slices = [{"sources": [{"model": "a", "layer_range": span}]}]
    found = configuration({"merge_method": "linear", "slices": slices})
    layers = found.modules[""].slices[0].sources[0].layers
    assert layers == (0, 4)
    assert [*map(type, layers)] == [int, int]


@pytest.mark.parametrize(
    "span", [["a", "4"], ["0.5", "4"], [None, 4], ["-1", "4"], "04", ["nan", 4]]
)
def test_layers_that_are_no_whole_numbers(span):
    slices = [{"sources": [{"model": "a", "layer_range": span}]}]
    with pytest.raises(MergeError, match=r"layer_range is .*; expected"):
        configuration({"merge_method": "linear", "slices": slices})


def test_a_module_has_models_or_slices():
    modules = {"text": {"models": [{"model": "a"}], "slices": [{"sources": [SOURCE]}]}}
    with pytest.raises(MergeError, match=r"modules\.text has .* exactly one of models, slices"):
        configuration({"merge_method": "linear", "modules": modules})


def test_models_are_named_once_the_base_first():
    found = configuration({**MODELS, "base_model": "b", "dtype": "torch.bfloat16"})
    assert [str(model) for model in found.models] == ["b", "a"]
    assert (found.dtype, found.written) == ("BF16", "BF16")


def test_references_are_paths_revisions_and_adapters(tmp_path):
    assert model_reference("m", "org/name@v2+org/lora@main") == model_reference(
        "m",
        {
            "model": {"path": "org/name", "revision": "v2"},
            "lora": {"path": "org/lora", "revision": "main"},
        },
    )
    assert str(model_reference("m", "org/name@v2+lora")) == "org/name@v2+lora"
    odd = tmp_path / "a+b@c"
    odd.mkdir()
    assert model_reference("m", str(odd)).model == Place(str(odd))
    assert model_reference("m", f"{odd}/") == model_reference("m", {"model": f"{odd}/."})
    for wrong in ("a+b+c", "a@b@c", "+a", "a@", 3, {"path": "a"}, {"model": {"revision": "x"}}):
        with pytest.raises(MergeError, match=r"^m"):
            model_reference("m", wrong)


def test_models_of_a_hub_are_found_in_its_cache(tmp_path, monkeypatch):
    repository = tmp_path / "hub" / "models--org--name"
    for commit in ("aaa", "bbb"):
        (repository / "snapshots" / commit).mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("aaa\n")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    assert find_place(Place("org/name")).endswith("snapshots/aaa")
    assert find_place(Place("org/name", "bbb")).endswith("snapshots/bbb")
    assert find_place(Place("org/name", "bbb"), tmp_path / "hub").endswith("snapshots/bbb")
    with pytest.raises(MergeError, match="hf download org/name --revision v9"):
        find_place(Place("org/name", "v9"))
    with pytest.raises(MergeError, match="downloads nothing"):
        find_place(Place("org/other"))
    with pytest.raises(MergeError, match="has no revisions"):
        find_place(Place(str(tmp_path), "main"))


@pytest.mark.parametrize("values", [[0.5], [0, 1], [0.1, 0.7, 0.3], [1, 0, 0, 2, 5]])
@pytest.mark.parametrize("t", [0.0, 0.2, 0.5, 0.75, 1.0])
def test_a_gradient_is_piecewise_linear(values, t):
    assert at(values, t) == pytest.approx(
        np.interp(t * (len(values) - 1), range(len(values)), values)
    )


def test_values_are_of_their_kind():
    assert at("1e-4") == 1e-4
    assert at([0, "1e1"], 0.5) == 5.0
    assert at(7.0, kind=int) == 7
    assert [at(v, kind=bool) for v in (True, "no", 1, 0.0, "TRUE")] == [True, False, 1, 0, 1]
    assert [at([True, False, True], t, kind=bool) for t in (0.0, 0.5, 0.9, 1.0)] == [1, 0, 0, 1]
    for value, kind in (("much", float), (1.5, int), ([1, 2], int), ("maybe", bool), (2, bool)):
        with pytest.raises(MergeError, match=r"parameter weight is .*; expected"):
            at(value, 0.5, kind=kind)
    with pytest.raises(MergeError, match="a finite number"):
        at(float("nan"))


def test_the_first_filter_that_is_part_of_the_name_counts():
    value = [{"filter": "mlp", "value": [1, 3]}, {"filter": "up", "value": 7}, {"value": 0.5}]
    assert at(value, 0.5, "model.layers.0.mlp.up_proj.weight") == 2.0
    assert at(value, 0.5, "model.up.weight") == 7
    assert at(value, 0.5, "lm_head.weight") == 0.5
    assert at({"filter": "*", "value": 2}) == 2
    assert at([{"filter": "attn", "value": 2}]) is None


def test_the_narrowest_scope_that_says_something_counts():
    scopes = [{}, said([{"filter": "attn", "value": 1}]), said([]), said(4)]
    assert resolve(scopes, "weight", float, "attn", 0.0) == 1
    assert resolve(scopes, "weight", float, "mlp", 0.0) == 4
    assert resolve(scopes, "density", float, "mlp", 0.0) is None


def test_towers_count_from_zero_as_the_config_says():
    names = [f"model.layers.{i}.mlp.weight" for i in range(3)]
    names += ["model.experts.1.weight", "head.0.weight", "head.1.weight", "head.2.weight", "norm"]
    found = towers(names, {"num_hidden_layers": 3, "hidden_size": 3})
    assert set(found) == {"model.layers.", "head."}  # as many, so nothing tells them apart
    assert set(towers(names[:5], {"num_hidden_layers": 3})) == {"model.layers."}
    assert towers(names, {"num_hidden_layers": 4}) == {}
    assert set(towers(names, {})) == {"model.layers.", "head."}
    assert [depth(name, found) for name in (*names[:3], "norm")] == [0.0, 0.5, 1.0, 0.0]
    one = towers(names[:1], {"n_layer": 1})
    assert depth(names[0], one) == 1.0  # as in mergekit


def test_each_tower_has_its_own_count():
    clip = [f"{part}_model.encoder.layers.{i}.x" for part in ("text", "vision") for i in range(2)]
    config = {"text_config": {"num_hidden_layers": 2}, "vision_config": {"num_hidden_layers": 2}}
    assert {prefix: tower.key for prefix, tower in towers(clip, config).items()} == {
        "text_model.encoder.layers.": "text_config.num_hidden_layers",
        "vision_model.encoder.layers.": "vision_config.num_hidden_layers",
    }
    t5 = [f"{part}.block.{i}.layer.0.x" for part in ("encoder", "decoder") for i in range(2)]
    config = {"num_layers": 2, "num_decoder_layers": 2}
    keys = {prefix: tower.key for prefix, tower in towers(t5, config).items()}
    assert keys == {"encoder.block.": "num_layers", "decoder.block.": "num_decoder_layers"}


def test_modules_are_beginnings_of_names():
    names = ["text_model.layers.0.x", "text_model.layers.1.x", "text_model.norm", "logit_scale",
             "language_model.embed"]  # fmt: skip
    found = towers(names, {})
    by_module = names_by_module(["text_model.layers", "text_decoder", "default"], names, found)
    assert by_module == {
        "text_model.layers": names[:2],
        "text_decoder": ["language_model.embed"],
        "default": ["text_model.norm", "logit_scale"],
    }
    assert names_by_module(["default"], names, found) == {"default": names}
    with pytest.raises(MergeError, match=r"modules\.audio: no tensor .* text_model, logit_scale"):
        names_by_module(["audio"], names, found)
    with pytest.raises(MergeError, match=r"both mean 'text_model\.layers\.0\.x'"):
        names_by_module(["text_model", "text_model.layers"], names, found)


def inputs(*settings):
    return [Input(f"model{i}", "x", own) for i, own in enumerate(settings)]


def test_every_method_of_mergekit_is_one_of_ours():
    assert set(peer_methods()) == {
        "arcee_fusion", "breadcrumbs", "breadcrumbs_ties", "dare_linear", "dare_ties", "della",
        "della_linear", "karcher", "linear", "model_stock", "multislerp", "nearswap", "nuslerp",
        "passthrough", "ram", "ramplus_tl", "sce", "slerp", "task_arithmetic", "ties",
    }  # fmt: skip
    filled = {"weight": 0.5, "t": 0.5}
    for method in peer_methods().values():
        n = (method.most or 3) + (method.base == "required")
        needed = [said(filled[p.name], p.name) for p in method.parameters if p.default is None]
        base = 0 if method.base == "required" else None
        method.check_inputs("models", n, base)
        given = method.given("x", inputs(*[{}] * n), tuple(needed), base, 0.0, seed=3)
        step = method.translate(given)
        ours = taujp.methods()[step.method]
        options = {k: list(v) if isinstance(v, tuple) else v for k, v in step.options}
        ours.built(len(step.inputs), options)  # raises where an option is not one of its own
        assert ours.base in (
            ("needed", "optional") if step.base is not None else ("none", "optional")
        )
        assert len(step.coefs) == len(step.inputs)


def test_a_required_parameter_is_asked_for():
    method = find_peer_method("ties")
    with pytest.raises(MergeError, match="weight is missing for 'x' of model1; set it under"):
        method.given("x", inputs({}, {}), (), 0, 0.0, seed=0)


def test_parameters_of_other_methods_are_told_and_of_none_refused():
    method = find_peer_method("slerp")
    assert unused_parameters(method, [said(1, "t"), said(True, "int8_mask")]) == ["int8_mask"]
    assert unused_parameters(method, [said(1, "rank_of_the_day")]) == ["rank_of_the_day"]
    with pytest.raises(MergeError, match=r"'wieght', which no method has; slerp has t"):
        unused_parameters(method, [said(1, "wieght")])
    with pytest.raises(MergeError, match=r"'dare'; mergekit 0\.1\.5 has arcee_fusion, breadcrumbs"):
        find_peer_method("dare")


@pytest.mark.parametrize(
    ("name", "inputs", "base", "told"),
    [
        ("ties", 2, None, "ties needs base_model"),
        ("slerp", 3, 0, "slerp takes 1 model besides the base; it has 2"),
        ("nuslerp", 3, None, "nuslerp takes 2 models; it has 3"),
        ("model_stock", 2, 0, "takes 2 or more models besides the base; it has 1"),
        ("passthrough", 2, None, "passthrough takes 1 model; it has 2"),
    ],
)
def test_how_many_models_a_method_takes(name, inputs, base, told):
    with pytest.raises(MergeError, match="slices") as error:
        find_peer_method(name).check_inputs("slices[1]", inputs, base)
    assert told in str(error.value)


def test_weights_whose_sum_is_zero_are_no_shares():
    given = [said(1, "weight"), said(-1, "weight")]
    linear = find_peer_method("linear")
    with pytest.raises(MergeError, match=r"\[1\.0, -1\.0\], whose sum is zero"):
        linear.translate(linear.given("x", inputs(*given), (), None, 0.0, seed=0))
    scopes = (said(False, "normalize"),)
    step = linear.translate(linear.given("x", inputs(*given), scopes, None, 0.0, seed=0))
    assert step.coefs == (1.0, -1.0)


def test_configurations_that_cannot_be_read(tmp_path):
    with pytest.raises(
        IsADirectoryError, match=r"configuration: cannot read .*expected a YAML file"
    ):
        read_documents(tmp_path)
    (tmp_path / "latin.yml").write_bytes(b"# \xe9\n")
    with pytest.raises(MergeError, match=r"latin\.yml' is no UTF-8 text"):
        read_documents(tmp_path / "latin.yml")


FIRST = "name: first\nmerge_method: linear\nmodels: [{model: a}]\n"
OTHER = "merge_method: linear\nmodels: [{model: b}, {model: c}]\n"
LAST = "merge_method: linear\nmodels: [{model: first}, {model: b}]\n"


def test_documents_come_after_those_that_they_use():
    documents = read_documents(f"{LAST}---\n{FIRST}")
    assert [document.name for document in in_order(documents)] == ["first", None]


def test_a_document_may_give_no_more_than_its_tokenizer():
    rows = "tokenizer: {source: first, tokens: {t: {source: b}, u: {source: {kind: zero}}}}\n"
    first, last = in_order(read_documents(f"{OTHER}{rows}---\n{FIRST}"))
    assert (first.name, names_used(last, {"first": ...})) == ("first", ["first"])
    placed = with_folders(last, {"first": "made/first"}).config.tokenizer
    assert placed.models == ("made/first", "b")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{FIRST}---\n{FIRST}", "the name 'first' stands twice"),
        (f"{LAST}---\n{LAST}", "two documents have no name"),
        ("name: first\n" + LAST, "first -> first"),
        ("merge_method: [linear\nmodels:\n", "is no YAML"),
        ("\n\n", "is empty"),
        ("- 1\n- 2\n", "document 1 is [1, 2]"),
        (f"name: ../up\n{LAST}", "name is '../up'; expected a folder's name"),
        (f"name: /up\n{LAST}", "name is '/up'"),
        (
            f"dtype: float32\n{LAST}dtype: float16\n",
            "'dtype' stands twice in the mapping of line 1",
        ),
        ("models:\n- model: a\n  model: b\n", "'model' stands twice in the mapping of line 2"),
    ],
)
def test_documents_that_make_no_sense(text, told):
    with pytest.raises(MergeError) as error:
        in_order(read_documents(text))
    assert told in str(error.value)
