"""Protocols: accuracy, addition of task vectors, negation of one. Chosen on validation data,
reported on test data."""

from taujp.evaluate.accuracy import accuracy, predictions
from taujp.evaluate.addition import COEFFICIENTS, sweep_addition
from taujp.evaluate.merged import MergedModels, merged_models
from taujp.evaluate.merged_tangents import MergedTangents
from taujp.evaluate.merged_weights import MergedWeights
from taujp.evaluate.negation import negation
from taujp.evaluate.result_files import load_result, save_result
from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    SingleTask,
    Unqualified,
)
from taujp.evaluate.single_task import single_task

__all__ = [
    "COEFFICIENTS",
    "Addition",
    "AdditionPoint",
    "MergedModels",
    "MergedTangents",
    "MergedWeights",
    "Negation",
    "NegationPoint",
    "SingleTask",
    "Unqualified",
    "accuracy",
    "load_result",
    "merged_models",
    "negation",
    "predictions",
    "save_result",
    "single_task",
    "sweep_addition",
]
