"""What every command takes that gathers something from a task's images and writes it."""

from __future__ import annotations

import argparse

from taujp.commands.output_path import output_path

SPLITS = ("train", "validation")  # what is merged or trained by them must not see test data


def add_images(parser: argparse.ArgumentParser, task_help: str) -> None:
    """The task, where its images lie, and which and how many of them."""
    parser.add_argument("--task", required=True, metavar="NAME", help=task_help)
    parser.add_argument("--root", default=".", metavar="FOLDER", help="where images of tasks are")
    split = "of the task (default train); images are drawn from it at random"
    parser.add_argument("--split", choices=SPLITS, default="train", help=split)
    parser.add_argument("--images", type=int, default=256, help="how many (default 256)")


def add_places(parser: argparse.ArgumentParser) -> None:
    """The device, the loading processes and the output."""
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1 (default cpu)")
    workers = "processes that load images (default 0: none)"
    parser.add_argument("--workers", type=int, default=0, metavar="N", help=workers)
    parser.add_argument(
        "-o", "--out", required=True, type=output_path, metavar="FILE", help="NAME.safetensors"
    )
