"""Checkpoints of any size whose files are holes: headers as they would be, no numbers."""

from __future__ import annotations

import json
from pathlib import Path

from taujp.checkpoint import layout_sharded

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def llama(layers: int, width: int, hidden: int, *, heads_width: int, vocabulary: int) -> Shapes:
    """Names and bf16 shapes of a Llama with grouped heads."""
    block = {
        "self_attn.q_proj": (width, width),
        "self_attn.k_proj": (heads_width, width),
        "self_attn.v_proj": (heads_width, width),
        "self_attn.o_proj": (width, width),
        "mlp.gate_proj": (hidden, width),
        "mlp.up_proj": (hidden, width),
        "mlp.down_proj": (width, hidden),
        "input_layernorm": (width,),
        "post_attention_layernorm": (width,),
    }
    shapes = {"model.embed_tokens.weight": (vocabulary, width)}
    for layer in range(layers):
        shapes |= {f"model.layers.{layer}.{part}.weight": s for part, s in block.items()}
    shapes |= {"model.norm.weight": (width,), "lm_head.weight": (vocabulary, width)}
    return {name: ("BF16", shape) for name, shape in shapes.items()}


LLAMA_70B = llama(80, 8192, 28672, heads_width=1024, vocabulary=128256)


def save_sparse(folder: Path, shapes: Shapes, shard_size: int) -> None:
    """A folder of shards; each file has its header and its length, and takes no room."""
    folder.mkdir()
    layout = layout_sharded(shapes, shard_size)
    for file in layout.files:
        with open(folder / file.name, "wb") as stream:
            stream.write(file.header)
            stream.truncate(file.size)
    if layout.index is not None:
        (folder / layout.index[0]).write_text(layout.index[1])
    config = {"model_type": "llama", "num_hidden_layers": 80}
    (folder / "config.json").write_text(json.dumps(config))
