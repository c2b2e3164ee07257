"""Colour heads: from a field's feature to RGB."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from resfields_ns.layers.encodings import PositionalEncoding


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


class ViewBasisColour(nn.Module):
    """RGB = sigmoid(k_0 + sum_n k_n H_n(d)), the neural basis expansion of NeX (Wizadwongsa et al. 2021).

    The feature gives the coefficients k; the functions H in [-1, 1] of the unit viewing direction d are learned and
    shared by all points, of NeX's sizes. The sigmoid keeps colours in range, where NeX bounds k and clamps.
    """

    NUM_FUNCTIONS = 8
    NUM_FREQUENCIES = 3
    BASIS_HIDDEN_DIM = 64

    def __init__(self, feature_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.coefficients = nn.Sequential(
            nn.Linear(feature_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 3 * (1 + self.NUM_FUNCTIONS))
        )
        encoding = PositionalEncoding(3, self.NUM_FREQUENCIES)
        self.basis = nn.Sequential(
            encoding,
            nn.Linear(encoding.out_dim, self.BASIS_HIDDEN_DIM),
            nn.LeakyReLU(),
            nn.Linear(self.BASIS_HIDDEN_DIM, self.BASIS_HIDDEN_DIM),
            nn.LeakyReLU(),
            nn.Linear(self.BASIS_HIDDEN_DIM, self.NUM_FUNCTIONS),
            nn.Tanh(),
        )

    def forward(
        self, feature: Float[Tensor, "points feature"], directions: Float[Tensor, "points 3"]
    ) -> Float[Tensor, "points 3"]:
        """RGB in [0, 1]."""
        k = self.expand(feature)
        return torch.sigmoid(k[:, 0] + (k[:, 1:] * self.basis(directions)[..., None]).sum(dim=1))

    def expand(self, feature: Float[Tensor, "points feature"]) -> Float[Tensor, "points functions 3"]:
        """The coefficients k, those of no direction first."""
        return self.coefficients(feature).unflatten(-1, (1 + self.NUM_FUNCTIONS, 3))


def _colour_mlp(in_dim: int, hidden_dim: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_dim, hidden_dim), nn.ReLU(), nn.Linear(hidden_dim, 3), nn.Sigmoid())
