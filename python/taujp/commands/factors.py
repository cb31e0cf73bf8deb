"""`taujp factors`: a task's Kronecker factors, for penalties that need none of its images."""

from __future__ import annotations

import argparse

from taujp.commands.gathering_arguments import add_images, add_places


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything that `taujp factors` takes."""
    model = "demo, NAME[:WEIGHTS] of open_clip such as ViT-B-32:openai, or a folder of open_clip"
    parser.add_argument("--model", required=True, metavar="MODEL", help=model)
    add_images(parser, "whose images are looked at")
    draws = "backward passes an image, in random output directions (default 2)"
    parser.add_argument("--draws", type=int, default=2, metavar="N", help=draws)
    seed = "of images and draws (default 0)"
    parser.add_argument("--seed", type=int, default=0, metavar="N", help=seed)
    exclude = "leave out parameters of such names, as 'conv1*'; they must stay frozen in training"
    parser.add_argument("--exclude", nargs="+", default=[], metavar="PATTERN", help=exclude)
    plain = "of the features as the encoder gives them, not divided by their norm"
    parser.add_argument("--not-normalised", action="store_true", help=plain)
    add_places(parser)


def run(arguments: argparse.Namespace) -> int:
    """Gather the factors of one task and write them."""
    from taujp.commands.task_argument import task_named
    from taujp.tangent.kronecker import gather_factors
    from taujp.train.model import load_model

    loaded = load_model(arguments.model, device=arguments.device)
    splits = task_named(arguments.task).splits(loaded.transform, root=arguments.root)
    settings = {"model": arguments.model, "tasks": [arguments.task], "split": arguments.split}
    factors = gather_factors(
        loaded.model,
        None,
        getattr(splits, arguments.split),
        images=arguments.images,
        draws=arguments.draws,
        seed=arguments.seed,
        exclude=arguments.exclude,
        normalised=not arguments.not_normalised,
        settings=settings,
        workers=arguments.workers,
    )
    path = factors.save(arguments.out)
    size = path.stat().st_size / 1e6
    images = factors.settings["images"]
    print(f"{path}: {len(factors.blocks)} blocks of {images} images, {size:.1f} MB")
    return 0
