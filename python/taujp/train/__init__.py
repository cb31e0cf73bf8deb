"""Fine-tuning of an image-text model's image encoder under a frozen zero-shot head."""

from taujp.train.ascent import ascend
from taujp.train.batches import endless_batches
from taujp.train.checkpoint import read_settings
from taujp.train.device import make_fabric
from taujp.train.distil import distil
from taujp.train.encoder import encoder_state, encoder_weights
from taujp.train.finetune import finetune
from taujp.train.invariance import finetune_invariantly
from taujp.train.joint import finetune_jointly
from taujp.train.log import JsonLines, TensorBoard, WeightsAndBiases
from taujp.train.modes import LINEARISED
from taujp.train.prepare import PreparedTask, prepare
from taujp.train.recipe import Recipe, learning_rate_factor
from taujp.train.run import Finetuned
from taujp.train.zero_shot import ZeroShotHead, zero_shot_head

__all__ = [
    "LINEARISED",
    "Finetuned",
    "JsonLines",
    "PreparedTask",
    "Recipe",
    "TensorBoard",
    "WeightsAndBiases",
    "ZeroShotHead",
    "ascend",
    "distil",
    "encoder_state",
    "encoder_weights",
    "endless_batches",
    "finetune",
    "finetune_invariantly",
    "finetune_jointly",
    "learning_rate_factor",
    "make_fabric",
    "prepare",
    "read_settings",
    "zero_shot_head",
]
