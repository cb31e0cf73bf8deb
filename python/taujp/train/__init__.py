"""Fine-tuning of an image-text model's image encoder under a frozen zero-shot head."""

from taujp.train.encoder import encoder_state, encoder_weights
from taujp.train.finetune import Finetuned, finetune
from taujp.train.prepare import PreparedTask, prepare
from taujp.train.recipe import Recipe, learning_rate_factor
from taujp.train.zero_shot import ZeroShotHead, zero_shot_head

__all__ = [
    "Finetuned",
    "PreparedTask",
    "Recipe",
    "ZeroShotHead",
    "encoder_state",
    "encoder_weights",
    "finetune",
    "learning_rate_factor",
    "prepare",
    "zero_shot_head",
]
