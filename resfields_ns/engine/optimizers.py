"""Optimizers as the trainer wants them."""

from dataclasses import dataclass
from typing import Any

from nerfstudio.engine.optimizers import AdamOptimizerConfig

from resfields_ns.engine.schedulers import CosineDecayConfig


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam (Kingma & Ba 2015) in one pass over the parameters."""

    weight_decay: float = 0.0  # the host's default is an int, which its annotation refuses
    fused: bool = True
    """Use torch's fused implementation."""


def decaying_adam(lr: float, eps: float = 1e-8) -> dict[str, Any]:
    """The paper's way to train a group of parameters (A.1): Adam whose rate falls to a tenth along a cosine."""
    return {"optimizer": FusedAdamConfig(lr=lr, eps=eps), "scheduler": CosineDecayConfig()}
