"""The moment at which a ray sees the scene."""

import torch
from jaxtyping import Float
from nerfstudio.cameras.rays import RayBundle
from torch import Tensor


def ray_times(ray_bundle: RayBundle, fallback: float) -> Float[Tensor, "rays"]:
    """Times in [0, 1] of R rays; `fallback` where the camera has none, as on paths that were saved without."""
    if ray_bundle.times is None:
        return torch.full_like(ray_bundle.origins[:, 0], fallback)
    return ray_bundle.times[:, 0]
