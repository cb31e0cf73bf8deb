"""Protocols on fine-tuned models. Coefficients are chosen on validation data, figures are of test
data: no protocol takes a split."""

from taujp.evaluate.accuracy import accuracy, predictions
from taujp.evaluate.addition import COEFFICIENTS, addition
from taujp.evaluate.classifier import Classifier, classifier_of
from taujp.evaluate.merged import MergedModels, merged_models
from taujp.evaluate.merged_tangents import MergedTangents
from taujp.evaluate.merged_weights import MergedWeights
from taujp.evaluate.negation import negation
from taujp.evaluate.outputs import Outputs
from taujp.evaluate.result_files import load_result, save_result
from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Negation,
    NegationPoint,
    Scores,
    Single,
    SingleTask,
    Unqualified,
)
from taujp.evaluate.single_task import single_task

__all__ = [
    "COEFFICIENTS",
    "Addition",
    "AdditionPoint",
    "Classifier",
    "MergedModels",
    "MergedTangents",
    "MergedWeights",
    "Negation",
    "NegationPoint",
    "Outputs",
    "Scores",
    "Single",
    "SingleTask",
    "Unqualified",
    "accuracy",
    "addition",
    "classifier_of",
    "load_result",
    "merged_models",
    "negation",
    "predictions",
    "save_result",
    "single_task",
]
