"""The MLP of VolSDF and its descendants."""

from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.softplus import softplus_and_slope
from resfields_ns.layers.geometric_mlp import GeometricMLP


class SoftplusGeometricMLP(GeometricMLP):
    """Softplus(100) between layers (Gropp et al. 2020)."""

    SHARPNESS = 100.0

    def activation_and_slope(
        self, z: Float[Tensor, "points hidden"]
    ) -> tuple[Float[Tensor, "points hidden"], Float[Tensor, "points hidden"]]:
        """log(1 + exp(100 z)) / 100, and its derivative."""
        return softplus_and_slope(z, self.SHARPNESS)
