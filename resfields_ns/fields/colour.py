"""Colour heads: from a field's feature to RGB."""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class FeatureColour(nn.Module):
    """RGB from the feature alone: one ReLU layer, then a sigmoid (paper, A.4: no view direction)."""

    def __init__(self, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.net = _colour_mlp(feature_dim, hidden_dim)

    def forward(
        self, feature: Float[Tensor, "points feature"], directions: Float[Tensor, "points 3"]
    ) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1]; the direction is ignored."""
        del directions
        return self.net(feature)


class ViewDependentColour(nn.Module):
    """RGB from the feature and the unit viewing direction (VolSDF)."""

    def __init__(self, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.net = _colour_mlp(feature_dim + 3, hidden_dim)

    def forward(
        self, feature: Float[Tensor, "points feature"], directions: Float[Tensor, "points 3"]
    ) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1]."""
        return self.net(torch.cat((feature, directions), dim=-1))


def _colour_mlp(in_dim: int, hidden_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 3), nn.Sigmoid())
