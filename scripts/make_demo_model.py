"""Makes the demo's assets: the pre-trained small CLIP and the arrays of its tasks.

Needs Debian's font packages (the list is printed when one is missing) and the package itself:

    OMP_NUM_THREADS=1 python scripts/make_demo_model.py [--out FOLDER] [--only model|arrays]

The model takes about fifteen minutes on one core; the arrays take seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from demo_model import pretrain, task_arrays
from demo_model.captions import vocabulary
from demo_model.fonts import PRETRAINING
from demo_model.glyphs import Rendered, render_emoji, render_glyphs
from safetensors.torch import save_file
from torch import nn

from taujp.data import WordTokenizer, find_task
from taujp.data.demo_model import ASSETS

MOST_WORDS = 6500
DEMO_TASKS = ("animals", "digits", "fashion", "letters", "symbols")


def make_model(folder: Path, recipe: pretrain.Recipe) -> None:
    """Renders, pre-trains, and writes an open_clip folder."""
    glyphs = render_glyphs(PRETRAINING, per_character=10, per_sign=80, seed=recipe.seed)
    emoji = render_emoji()
    print(f"{len(glyphs.names)} glyphs of {len(set(glyphs.characters))} characters")
    print(f"{len(emoji.names)} emoji")
    tokenizer = WordTokenizer(tuple(all_words(glyphs, emoji)))
    torch.manual_seed(recipe.seed)
    config = pretrain.model_config(tokenizer.vocabulary_size)
    model = pretrain.build(config)
    batches = pretrain.Batches(glyphs, emoji, tokenizer, recipe.batch_size)
    started = time.time()
    losses = pretrain.pretrain(model, batches, recipe)
    last = sum(losses[-50:]) / len(losses[-50:])
    print(f"loss {losses[0]:.2f} -> {last:.2f} in {time.time() - started:.0f} s")
    write_model(folder, model, config, tokenizer)


def all_words(glyphs: Rendered, emoji: Rendered) -> list[str]:
    """The words of all names and styles, and of the captions of the demo's tasks."""
    captions = [
        template.format(text)
        for task in map(find_task, DEMO_TASKS)
        for template in task.templates
        for text in task.classes
    ]
    styles = {word for words in glyphs.styles for word in words}
    return vocabulary(glyphs.names + emoji.names, [*captions, *styles], size=MOST_WORDS)


def write_model(
    folder: Path, model: nn.Module, config: dict[str, Any], tokenizer: WordTokenizer
) -> None:
    """Fp16 weights, configuration and word list, as open_clip's `local-dir:` reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"model_cfg": config, "preprocess_cfg": pretrain.preprocess_config()}
    (folder / "open_clip_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    (folder / "words.txt").write_text("\n".join(tokenizer.words) + "\n")
    state = {name: value.half().contiguous() for name, value in model.state_dict().items()}
    weights = folder / "open_clip_model.safetensors"
    save_file(state, weights, metadata={"format": "pt"})
    weights.chmod(0o644)  # save_file keeps others from reading


def main() -> None:
    """Makes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ASSETS, help="assets folder")
    parser.add_argument("--only", choices=("model", "arrays"), help="make one of the two")
    parser.add_argument("--steps", type=int, default=pretrain.Recipe.steps)
    parser.add_argument("--learning-rate", type=float, default=pretrain.Recipe.learning_rate)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.only != "arrays":
        make_model(
            options.out / "model",
            pretrain.Recipe(steps=options.steps, learning_rate=options.learning_rate),
        )
    if options.only != "model":
        task_arrays.write_all(options.out)


if __name__ == "__main__":
    main()
