"""Data for fine-tuning and evaluation: tasks, their splits, tokenizers and the demo's model."""

from taujp.data.arrays import ArrayImages, cached
from taujp.data.demo_model import DEMO_MODEL, DemoModel, load_demo_model
from taujp.data.find_task import all_tasks, find_task
from taujp.data.folder_task import folder_task
from taujp.data.hub_task import hub_task
from taujp.data.images import Images, ListedImages, PickedImages, UnreadableImage
from taujp.data.splits import RawSplits, Splits, WholeSplits, hold_out
from taujp.data.task import Task, task
from taujp.data.tokenizer import WordTokenizer

__all__ = [
    "DEMO_MODEL",
    "ArrayImages",
    "DemoModel",
    "Images",
    "ListedImages",
    "PickedImages",
    "RawSplits",
    "Splits",
    "Task",
    "UnreadableImage",
    "WholeSplits",
    "WordTokenizer",
    "all_tasks",
    "cached",
    "find_task",
    "folder_task",
    "hold_out",
    "hub_task",
    "load_demo_model",
    "task",
]
