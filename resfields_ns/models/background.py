"""From rays to what they see behind the scene's box."""

import torch
from jaxtyping import Float
from nerfstudio.cameras.rays import Frustums, RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from torch import Tensor

from resfields_ns.fields.background_field import BackgroundField
from resfields_ns.functional.rays import distance_past_box, stratum_positions
from resfields_ns.functional.volume import composite, compositing_weights

NUM_SAMPLES = 24


def render_background(
    field: BackgroundField,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    box: Float[Tensor, "2 3"],
) -> Float[Tensor, "rays 3"]:
    """Colours in [0, 1] behind a box.

    Samples are as dense in the share u of a ray as s = s_0 + u / (1 - u) says, s its distance and s_0 that where it has
    passed the box. The last one takes what has passed all others, so that every ray ends somewhere.
    """
    start = distance_past_box(origins, directions, box)[:, None]
    shares = stratum_positions(len(origins), NUM_SAMPLES, field.training, origins.device)
    edges = torch.arange(NUM_SAMPLES, device=origins.device) / NUM_SAMPLES
    lengths = (edges / (1.0 - edges)).diff().expand(len(origins), -1)
    distances = start + shares / (1.0 - shares)
    positions = origins[:, None] + directions[:, None] * distances[..., None]
    zeros = torch.zeros_like(distances[..., None])
    frustums = Frustums(positions, directions[:, None].expand_as(positions), zeros, zeros, zeros)
    found = field(RaySamples(frustums))
    with torch.autocast(origins.device.type, enabled=False):
        density, colours = found[FieldHeadNames.DENSITY][..., 0].float(), found[FieldHeadNames.RGB].float()
        weights = compositing_weights(density[:, :-1], lengths)
        passed = 1.0 - weights.sum(dim=-1, keepdim=True)
        return composite(weights, colours[:, :-1]) + passed * colours[:, -1]
