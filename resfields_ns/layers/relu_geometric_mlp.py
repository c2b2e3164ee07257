"""The small MLP behind planes of features (paper, A.4)."""

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.layers.geometric_mlp import GeometricMLP


class ReLUGeometricMLP(GeometricMLP):
    """ReLU between layers, for which geometric initialisation was derived (Atzmon & Lipman 2020)."""

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """max(z, 0), and its derivative, 0 at the kink."""
        return torch.relu(z), (z > 0.0).to(z.dtype)
