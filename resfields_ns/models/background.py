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
ENDLESS = 1e10  # scene units; the length of the last sample of a ray


def render_background(
    field: BackgroundField,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    box: Float[Tensor, "2 3"],
) -> Float[Tensor, "rays 3"]:
    """Colours in [0, 1] behind a box.

    Samples are as dense in the share u of a ray as s = s_0 + u / (1 - u) says, s its distance and s_0 that where it has
    passed the box. The last one has no end, so that every ray ends somewhere.
    """
    start = distance_past_box(origins, directions, box)[:, None]
    shares = stratum_positions(len(origins), NUM_SAMPLES, field.training, origins.device)
    edges = torch.arange(NUM_SAMPLES, device=origins.device) / NUM_SAMPLES
    lengths = torch.nn.functional.pad((edges / (1.0 - edges)).diff(), (0, 1), value=ENDLESS).expand_as(shares)
    distances = start + shares / (1.0 - shares)
    positions = origins[:, None] + directions[:, None] * distances[..., None]
    zeros = torch.zeros_like(distances[..., None])
    frustums = Frustums(positions, directions[:, None].expand_as(positions), zeros, zeros, zeros)
    found = field(RaySamples(frustums))
    with torch.autocast(origins.device.type, enabled=False):
        weights = compositing_weights(found[FieldHeadNames.DENSITY][..., 0].float(), lengths)
        return composite(weights, found[FieldHeadNames.RGB].float())
