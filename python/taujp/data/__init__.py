"""Data for fine-tuning and evaluation: tasks, their splits, tokenizers and the demo's model."""

from taujp.data.arrays import ArrayImages, cached
from taujp.data.demo_model import DEMO_MODEL, DemoModel, load_demo_model
from taujp.data.splits import Splits, hold_out
from taujp.data.task import Task, all_tasks, find_task, task
from taujp.data.tokenizer import WordTokenizer

__all__ = [
    "DEMO_MODEL",
    "ArrayImages",
    "DemoModel",
    "Splits",
    "Task",
    "WordTokenizer",
    "all_tasks",
    "cached",
    "find_task",
    "hold_out",
    "load_demo_model",
    "task",
]
