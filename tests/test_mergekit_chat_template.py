"""Chat templates: the most common one, known formats, texts; and where they are written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from taujp.merge.errors import MergeError
from taujp.mergekit.chat_formats import FORMATS
from taujp.mergekit.chat_template import chat_template, template_of, with_chat_template
from tiny_tokenizers import save_tokenizer

TALK = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "user", "content": "Bye"},
]
SAID = {
    "chatml": (
        "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHello<|im_end|>\n"
        "<|im_start|>assistant\nHi<|im_end|>\n<|im_start|>user\nBye<|im_end|>\n"
        "<|im_start|>assistant\n"
    ),
    "llama3": (
        "<s><|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nHello<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\nHi<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    ),
    "mistral": "<s> [INST] Be kind.\n\nHello [/INST] Hi</s> [INST] Bye [/INST]",
    "alpaca": (
        "Be kind.\n\n### Instruction:\nHello\n\n### Response:\nHi</s>\n\n"
        "### Instruction:\nBye\n\n### Response:\n"
    ),
    "exaone": (
        "[|system|]Be kind.[|endofturn|]\n[|user|]Hello\n[|assistant|]Hi[|endofturn|]\n"
        "[|user|]Bye\n[|assistant|]"
    ),
}


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_says_what_its_models_were_trained_on(tmp_path: Path, name: str):
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("jinja2")
    save_tokenizer(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    template = chat_template(name, [])

    def said(talk, **options) -> str:
        return tokenizer.apply_chat_template(
            talk, chat_template=template, tokenize=False, **options
        )

    assert said(TALK, add_generation_prompt=True) == SAID[name]
    answered = said(TALK[:3])
    assert SAID[name].startswith(answered.rstrip())
    if name == "exaone":
        assert said(TALK[1:2]) == "[|system|][|endofturn|]\n[|user|]Hello\n"


@pytest.mark.parametrize("name", ["mistral", "alpaca"])
def test_a_format_refuses_roles_it_does_not_have(tmp_path: Path, name: str):
    transformers = pytest.importorskip("transformers")
    jinja2 = pytest.importorskip("jinja2")
    save_tokenizer(tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    talk = [TALK[1], {"role": "tool", "content": "42"}]
    with pytest.raises(jinja2.TemplateError, match=r"take turns|has no role tool"):
        tokenizer.apply_chat_template(talk, chat_template=FORMATS[name], tokenize=False)


def test_every_format_is_a_template():
    for name in FORMATS:
        assert chat_template(chat_template(name, []), []) == FORMATS[name]


def test_auto_is_the_most_common_and_then_the_first(tmp_path: Path):
    named = [{"name": "tools", "template": "{{ 1 }}"}, {"name": "default", "template": "{{ b }} "}]
    save_tokenizer(tmp_path / "a", chat_template="{{ a }}")
    save_tokenizer(tmp_path / "b", chat_template=named)
    save_tokenizer(tmp_path / "b2", chat_template="{{ of settings }}")
    (tmp_path / "b2" / "chat_template.jinja").write_text("{{ b }}\n")
    save_tokenizer(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    folders = {path.name: str(path) for path in tmp_path.iterdir()}
    assert chat_template("auto", [folders[n] for n in ("a", "b", "none", "b2")]) == "{{ b }}"
    assert chat_template("auto", [folders[n] for n in ("empty", "b", "a")]) == "{{ b }}"
    assert chat_template("auto", [folders[n] for n in ("a", "b")]) == "{{ a }}"
    assert chat_template("auto", [folders["none"], folders["empty"]]) is None
    assert chat_template(None, [folders["a"]]) is None


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("chatlm", "expected auto, one of alpaca, chatml, exaone, llama3, mistral, or a Jinja"),
        (["chatml"], "expected auto, one of"),
        ("{% for message in messages %}\n{{ message }", "chat_template: line 2: "),
        ("{% if x %}", "chat_template: line 1: "),
    ],
)
def test_a_template_that_is_none(setting, message: str):
    pytest.importorskip("jinja2")
    with pytest.raises(MergeError, match=message):
        chat_template(setting, [])


def test_tags_of_transformers_are_no_mistake():
    text = (
        "{% for m in messages %}{% generation %}{{ m }}{% endgeneration %}{% break %}{% endfor %}"
    )
    assert chat_template(text, []) == text


def test_the_template_is_written_where_readers_look(tmp_path: Path):
    save_tokenizer(tmp_path, chat_template="{{ old }}")
    files = {path.name: str(path) for path in tmp_path.iterdir()}
    assert with_chat_template(files, None) == files
    written = with_chat_template(files, FORMATS["chatml"])
    assert written["chat_template.jinja"].decode() == FORMATS["chatml"]
    settings = json.loads(written["tokenizer_config.json"])
    assert settings["chat_template"] == FORMATS["chatml"]
    assert settings["eos_token"] == "</s>"
    for name, content in written.items():
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
    assert template_of(str(tmp_path)) == FORMATS["chatml"].strip()
    with pytest.raises(MergeError, match="the output has no tokenizer to put it in"):
        with_chat_template({"config.json": b"{}"}, "{{ x }}")
