"""Protocols on fine-tuned models. Coefficients are chosen on validation data, figures are of test
data: no protocol takes a split."""

from taujp.evaluate import calibration_figures  # noqa: F401  (registers them)
from taujp.evaluate.accuracy import accuracy, predictions
from taujp.evaluate.addition import COEFFICIENTS, addition
from taujp.evaluate.analogy import analogy
from taujp.evaluate.baseline_vectors import opposite_vector, random_vector
from taujp.evaluate.calibration import Calibration, calibration
from taujp.evaluate.classifier import Classifier, classifier_of
from taujp.evaluate.cost import measured
from taujp.evaluate.disentanglement import disentanglement
from taujp.evaluate.ensemble import ensemble
from taujp.evaluate.figures import figures
from taujp.evaluate.interference import interference
from taujp.evaluate.merged import MergedModels, merged_models
from taujp.evaluate.merged_tangents import MergedTangents
from taujp.evaluate.merged_weights import MergedWeights
from taujp.evaluate.metrics import scores
from taujp.evaluate.negation import negation
from taujp.evaluate.outputs import Outputs
from taujp.evaluate.pair_results import Disentanglement, Interference, Matrix
from taujp.evaluate.provenance import provenance_of
from taujp.evaluate.record import Cost, Provenance, Record
from taujp.evaluate.result_files import load_record, load_records, load_result, save_result
from taujp.evaluate.results import (
    Addition,
    AdditionPoint,
    Analogy,
    AnalogyPoint,
    Ensemble,
    Negation,
    NegationPoint,
    Single,
    SingleTask,
    Subset,
    Subsets,
    Unqualified,
    Unseen,
)
from taujp.evaluate.seeds import paired_differences, spreads
from taujp.evaluate.single_task import single_task
from taujp.evaluate.subsets import subsets
from taujp.evaluate.task_scores import Scores
from taujp.evaluate.unseen import unseen

__all__ = [
    "COEFFICIENTS",
    "Addition",
    "AdditionPoint",
    "Analogy",
    "AnalogyPoint",
    "Calibration",
    "Classifier",
    "Cost",
    "Disentanglement",
    "Ensemble",
    "Interference",
    "Matrix",
    "MergedModels",
    "MergedTangents",
    "MergedWeights",
    "Negation",
    "NegationPoint",
    "Outputs",
    "Provenance",
    "Record",
    "Scores",
    "Single",
    "SingleTask",
    "Subset",
    "Subsets",
    "Unqualified",
    "Unseen",
    "accuracy",
    "addition",
    "analogy",
    "calibration",
    "classifier_of",
    "disentanglement",
    "ensemble",
    "figures",
    "interference",
    "load_record",
    "load_records",
    "load_result",
    "measured",
    "merged_models",
    "negation",
    "opposite_vector",
    "paired_differences",
    "predictions",
    "provenance_of",
    "random_vector",
    "save_result",
    "scores",
    "single_task",
    "spreads",
    "subsets",
    "unseen",
]
