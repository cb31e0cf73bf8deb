"""`taujp statistics`: what the merges fisher and regmean need of one model and its task's data."""

from __future__ import annotations

import argparse
from typing import Any

from taujp.commands.gathering_arguments import add_images, add_places

LABELS = ("expected", "sampled", "given")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp statistics` takes."""
    parser.add_argument("kind", choices=("fisher", "grams"), help="for --method fisher or regmean")
    model = "demo, NAME[:WEIGHTS] of open_clip such as ViT-B-32:openai, or a folder of open_clip"
    parser.add_argument("--model", required=True, metavar="MODEL", help=model)
    checkpoint = "the fine-tuned weights (default: the model as it is)"
    parser.add_argument("--ckpt", metavar="PATH", help=checkpoint)
    add_images(parser, "what it was fine-tuned on")
    labels = "fisher: over all classes (default), sampled ones, or the labels given"
    parser.add_argument("--labels", choices=LABELS, default="expected", help=labels)
    seed = "of images and labels (default 0)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=seed)
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Gather the statistics of one model and write them."""
    from taujp.commands.task_argument import task_named
    from taujp.train.model import load_model

    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out: '{arguments.out}' must end in .safetensors")
    loaded = load_model(arguments.model, device=arguments.device)
    if arguments.ckpt is not None:
        _load(loaded.model, arguments.ckpt)
    task = task_named(arguments.task)
    data = getattr(task.splits(loaded.transform, root=arguments.root), arguments.split)
    found = _gathered(arguments, loaded, task, data)
    path = found.save(arguments.out)
    size = path.stat().st_size / 1e6
    images = found.settings["examples"]
    print(f"{path}: {found.kind} of {len(found.tensors)} tensors, {images} images, {size:.1f} MB")
    return 0


def _gathered(arguments: argparse.Namespace, loaded: Any, task: Any, data: Any) -> Any:
    from taujp.statistics import gather_fisher, gather_grams
    from taujp.train.prepare import head_of

    told = {"model": arguments.model, "task": arguments.task, "split": arguments.split}
    how = {"examples": arguments.images, "seed": arguments.seed, "workers": arguments.workers}
    if arguments.kind == "grams":
        return gather_grams(loaded.model, data, settings=told, **how)
    # The head is from the text tower, which no fine-tuning of the image encoder changes.
    head = head_of(task, loaded.model, loaded.tokenizer)
    return gather_fisher(loaded.model, data, head, labels=arguments.labels, settings=told, **how)


def _load(model: Any, path: str) -> None:
    """The checkpoint's weights into the model's image encoder; all of them must be there."""
    import torch

    from taujp.checkpoint import tensor_of
    from taujp.evaluate.classifier import classifier_of
    from taujp.learn.views import views_of

    live = classifier_of(model).state()
    (view,) = views_of(live, {"--ckpt": path}, "statistics").values()
    with torch.no_grad():
        for name, value in live.items():
            value.copy_(tensor_of(view, name))
