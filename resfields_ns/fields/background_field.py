"""What stands still around the scene's box, out to infinity."""

import torch
from jaxtyping import Float
from nerfstudio.cameras.rays import RaySamples
from nerfstudio.field_components.activations import trunc_exp
from nerfstudio.field_components.encodings import HashEncoding
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.field_components.mlp import MLP
from nerfstudio.field_components.spatial_distortions import SceneContraction
from nerfstudio.fields.base_field import Field
from torch import Tensor


class BackgroundField(Field):
    """Density and colour of contracted space (Barron et al. 2022, Eq. 10) by a small hash grid, the same at all times.

    Colours do not depend on the direction: a few cameras, each of which sees its own part of the background, tell
    nothing of that.
    """

    def __init__(self) -> None:
        super().__init__()
        self.contraction = SceneContraction(order=float("inf"))
        self.encoding = HashEncoding(
            num_levels=10, min_res=16, max_res=1024, log2_hashmap_size=16, implementation="torch"
        )
        self.mlp = MLP(
            in_dim=self.encoding.get_out_dim(), num_layers=2, layer_width=32, out_dim=4, implementation="torch"
        )

    def get_density(self, ray_samples: RaySamples) -> tuple[Float[Tensor, "*batch 1"], Float[Tensor, "*batch 3"]]:
        """Density of samples, in the inverse of scene units, and what `get_outputs` makes colours of."""
        contracted = self.contraction(ray_samples.frustums.get_positions())
        values = self.mlp(self.encoding((0.25 * contracted + 0.5).flatten(end_dim=-2)))
        density, embedding = values.view(*contracted.shape[:-1], 4).split((1, 3), dim=-1)
        return trunc_exp(density), embedding

    def get_outputs(
        self, ray_samples: RaySamples, density_embedding: Float[Tensor, "*batch 3"] | None = None
    ) -> dict[FieldHeadNames, Float[Tensor, "*batch 3"]]:
        """Colours in [0, 1] of samples."""
        embedding = self.get_density(ray_samples)[1] if density_embedding is None else density_embedding
        return {FieldHeadNames.RGB: torch.sigmoid(embedding)}
