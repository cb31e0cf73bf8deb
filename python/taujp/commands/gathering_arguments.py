"""What every command takes that gathers something from a task's images and writes it."""

from __future__ import annotations

import argparse

from taujp.commands.output_path import output_path
from taujp.commands.process_count import process_count

ROOT = "where images of tasks are (default: here)"
SPLITS = ("train", "validation")  # what is merged or trained by them must not see test data


def add_images(parser: argparse.ArgumentParser, task_help: str) -> None:
    """The task, where its images lie, and which and how many of them."""
    parser.add_argument("--task", required=True, metavar="NAME", help=task_help)
    parser.add_argument("--root", default=".", metavar="FOLDER", help=ROOT)
    split = "of the task (default train); images are drawn from it at random"
    parser.add_argument("--split", choices=SPLITS, default="train", help=split)
    images = "how many (default 256)"
    parser.add_argument("--images", type=int, default=256, metavar="N", help=images)


def add_places(parser: argparse.ArgumentParser) -> None:
    """The device, the loading processes and the output."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default cpu)")
    workers = "processes that load images (default 0: none)"
    parser.add_argument("--workers", type=process_count, default=0, metavar="N", help=workers)
    parser.add_argument(
        "-o", "--out", required=True, type=output_path, metavar="FILE", help="NAME.safetensors"
    )
