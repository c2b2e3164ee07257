"""From rays to what they see behind the scene's box, learned from pictures in which the scene hides some of it."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.cameras.rays import Frustums, RayBundle, RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from rich.progress import track
from torch import Tensor

from resfields_ns.captures.large_arrays import make_rows
from resfields_ns.data.plates import DIFFERENT, TOLERANCE
from resfields_ns.fields.background_field import BackgroundField
from resfields_ns.functional.losses import masked_l1
from resfields_ns.functional.rays import distance_past_box, stratum_positions
from resfields_ns.functional.volume import composite, compositing_weights

NUM_SAMPLES = 24
FARTHEST = 1.0 - 1e-5  # share of a ray, which ends at infinity
START_RATE = 1e-2  # falls to a tenth
_LONGER_SIDE = 160  # pixels of the pictures that a background is compared with


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
    shares = stratum_positions(len(origins), NUM_SAMPLES, field.training, origins.device).clamp(max=FARTHEST)
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


def background_loss(
    shown: Float[Tensor, "rays 3"], batch: dict[str, Tensor], uncovered: Float[Tensor, "rays"]
) -> Float[Tensor, ""]:
    """L1 loss of a background: to what is known to be behind pixels, or else to these, where `uncovered` (0 to 1)."""
    if "behind" in batch:
        return masked_l1(shown, batch["behind"].to(shown), batch["known"].to(shown))
    return masked_l1(shown, batch["image"].to(shown), uncovered)


def fit_background(
    field: BackgroundField,
    draw_rays: Callable[[], tuple[RayBundle, dict[str, Tensor]]],
    box: Float[Tensor, "2 3"],
    steps: int,
) -> None:
    """Fit a background in `steps` steps of Adam, to what is known to be behind the pixels of batches.

    Where nothing is known it is to all pixels, as if nothing were before it: what stands still wins, as the absolute
    difference is least where most pictures agree.
    """
    optimizer = torch.optim.Adam(field.parameters(), lr=START_RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.1 * START_RATE)
    for _ in track(range(steps), "Fitting the background", transient=True):
        rays, batch = draw_rays()
        shown = render_background(field, rays.origins, rays.directions, box)
        optimizer.zero_grad()
        background_loss(shown, batch, torch.ones_like(shown[:, 0])).backward()
        optimizer.step()
        schedule.step()


def what_shows(background: Float[Tensor, "rays 3"], image: Float[Tensor, "rays 3"]) -> dict[str, Bool[Tensor, "rays"]]:
    """Which pixels surely show what `hidden` the background, and which surely show it: the latter are `seen`."""
    difference = 255.0 * (image - background).abs().amax(dim=-1)
    return {"hidden": difference > DIFFERENT, "seen": difference <= TOLERANCE}


@torch.no_grad()
def what_hides(
    field: BackgroundField,
    cameras: Cameras,
    images: UInt8[Tensor, "images height width 3"],
    box: Float[Tensor, "2 3"],
) -> Bool[Tensor, "images height width"]:
    """Where images differ from the background by more than noise and faint shadows, looked at in blocks of pixels."""
    height, width = images.shape[1:3]
    block = -(-max(height, width) // _LONGER_SIDE)
    rows, columns = (torch.arange(block // 2, side, block) for side in (height, width))
    coords = torch.stack(torch.meshgrid(rows + 0.5, columns + 0.5, indexing="ij"), dim=-1)

    def of_image(index: int) -> Bool[np.ndarray, "height width"]:
        rays = cameras.generate_rays(index, coords=coords).flatten().to(box.device)
        shown = render_background(field, rays.origins, rays.directions, box).cpu()
        pixels = images[index][rows[:, None], columns].flatten(end_dim=1)
        hidden = what_shows(shown, pixels / 255.0)["hidden"].view(len(rows), len(columns)).numpy()
        return hidden.repeat(block, axis=0).repeat(block, axis=1)[:height, :width]

    return make_rows((len(images), height, width), np.bool_, of_image, "Comparing with the background")
