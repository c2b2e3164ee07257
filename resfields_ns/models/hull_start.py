"""A start for dynamic SDF fields: the visual hull of every frame instead of a sphere."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from rich.progress import track
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.functional.rays import cell_centres
from resfields_ns.functional.segments import TimedPoints, TimeSegments

FRAMES_PER_STEP = 12
POINTS_PER_FRAME = 340
SHELL = 0.06  # scene units: three in four points lie this close to the hull's surface


def fit_to_hull(
    field: DynamicField,
    hull: Bool[Tensor, "frames x y z"],
    box: Float[Tensor, "2 3"],
    steps: int,
    learning_rate: float,
) -> None:
    """Fit the field to the signed distance of the hull's cells, frame by frame, in `steps` steps of Adam.

    Rendering then starts near the surface: from a sphere, the first minutes on a CPU are spent on finding it.
    """
    distances = torch.stack([_signed_distance(frame, box) for frame in hull.cpu()])
    shells = [(frame.flatten().abs() < SHELL).nonzero()[:, 0] for frame in distances]
    optimizer = torch.optim.Adam(field.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps, 0.1 * learning_rate)
    for _ in track(range(steps), "Fitting the visual hull", transient=True):
        frames = torch.randperm(len(hull))[:FRAMES_PER_STEP].sort().values
        cells = torch.stack([_draw_cells(shells[frame], distances[frame].numel()) for frame in frames.tolist()])
        target = distances.flatten(start_dim=1)[frames[:, None], cells].flatten().to(box)
        points = cell_centres(cells.flatten(), distances.shape[1:], box)
        times = timeline.times_from_frames(frames, len(hull)).to(box)
        segments = TimeSegments(times, (POINTS_PER_FRAME,) * len(frames))
        raw, _ = field.raw_and_feature(TimedPoints(points, segments))
        optimizer.zero_grad()
        (raw - field.density.from_level(target)).abs().mean().backward()
        optimizer.step()
        schedule.step()


def _signed_distance(occupied: Bool[Tensor, "x y z"], box: Float[Tensor, "2 3"]) -> Float[Tensor, "x y z"]:
    """Distance of each cell's centre to the nearest cell of the other kind; negative inside."""
    cell = ((box[1] - box[0]) / torch.tensor(occupied.shape, device=box.device)).tolist()
    inside = occupied.numpy()
    if not inside.any():
        return torch.full(inside.shape, float(np.linalg.norm(cell) * max(inside.shape)))
    outside_distance, inside_distance = (distance_transform_edt(cells, sampling=cell) for cells in (~inside, inside))
    return torch.from_numpy(np.asarray(outside_distance) - np.asarray(inside_distance)).float()


def _draw_cells(shell: Int[Tensor, "shell"], num_cells: int) -> Int[Tensor, "points"]:
    anywhere = torch.randint(num_cells, (POINTS_PER_FRAME,))
    if len(shell) == 0:
        return anywhere
    near = shell[torch.randint(len(shell), (3 * POINTS_PER_FRAME // 4,))]
    return torch.cat((near, anywhere[len(near) :]))
