"""Points carried along a scene flow."""

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.flows.scene_flow_field import SceneFlowField
from resfields_ns.functional.flow import Flow
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.timeline import times_from_frames


@torch.no_grad()
def track_points(
    field: SceneFlowField, points: Float[Tensor, "points 3"], start_frame: int
) -> Float[Tensor, "frames points 3"]:
    """Where points of a frame are at every frame, if they follow the forward flow to the end and the backward flow
    to the start; errors add up on the way."""
    later, earlier = [points], [points]
    for frame in range(start_frame, field.num_frames - 1):
        later.append(later[-1] + _flow(field, later[-1], frame).forward)
    for frame in range(start_frame, 0, -1):
        earlier.append(earlier[-1] + _flow(field, earlier[-1], frame).backward)
    return torch.stack(earlier[:0:-1] + later)


def _flow(field: SceneFlowField, points: Float[Tensor, "points 3"], frame: int) -> Flow:
    times = times_from_frames(torch.tensor([frame], device=points.device), field.num_frames)
    return field(points, TimeSegments.single(times, len(points)))
