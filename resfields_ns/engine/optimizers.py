"""Optimizers as the trainer wants them."""

from dataclasses import dataclass

from nerfstudio.engine.optimizers import AdamOptimizerConfig


@dataclass
class FusedAdamConfig(AdamOptimizerConfig):
    """Adam (Kingma & Ba 2015) in one pass over the parameters."""

    weight_decay: float = 0.0  # the host's default is an int, which its annotation refuses
    fused: bool = True
    """Use torch's fused implementation."""
