"""Cameras that are a little wrong: a correction of the pose, and of the clock, of each camera, learned with the scene.

Notation: a camera that stands at o with axes R (columns; OpenCV's) is moved to o + R v and turned to R exp([w]x), so
that its ray along d goes along R exp([w]x) R^T d = exp([R w]x) d. A camera with a delay of s frames shows in frame i
the moment i + s.
"""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from resfields_ns.captures.sequence import Capture
from resfields_ns.functional.motion import apply_twist
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import Part
from resfields_ns.models.rendering import Rays

POSE_PENALTY = 1.0  # weight of the mean square of rotations (radians) and translations (normalised units)
TIME_PENALTY = 1e-4  # weight of the mean square of delays (frames)


class CameraRefinement(Part):
    """A correction for each camera of a capture but the first, which stays as it is; all start as none.

    A camera that moves has one correction for all its images, in its own axes: it sits otherwise on what moves it.

    Args:
        capture: with two or more cameras
        poses: whether poses are corrected
        times: whether clocks are corrected
    """

    cameras: Int[Tensor, "images"]
    axes: Float[Tensor, "images 3 3"]

    def __init__(self, capture: Capture, poses: bool, times: bool) -> None:
        super().__init__()
        self.names = capture.camera_names
        self.last_frame = capture.num_frames - 1
        self.metres_per_unit = capture.to_world.scale
        self.rate = capture.frames.rate
        cameras = torch.tensor([self.names.index(image.camera_name) for image in capture.images])
        axes = np.stack([image.camera.pose[:, :3] for image in capture.images])
        self.register_buffer("cameras", cameras, persistent=False)
        self.register_buffer("axes", torch.from_numpy(axes).float(), persistent=False)
        others = len(self.names) - 1
        self.rotation = nn.Parameter(torch.zeros(others, 3)) if poses else None
        """w."""
        self.translation = nn.Parameter(torch.zeros(others, 3)) if poses else None
        """v, in normalised units."""
        self.delay = nn.Parameter(torch.zeros(others)) if times else None
        """s."""

    def forward(self, rays: Rays, images: Int[Tensor, "rays"]) -> Rays:
        """Rays as they are seen by the corrected cameras of their images.

        With delays, rays of an image are one run of equal time, and so must come one image after the other.
        """
        cameras = self.cameras.index_select(0, images)
        origins, directions, times, segments = rays.origins, rays.directions, rays.times, rays.segments
        if self.rotation is not None and self.translation is not None:
            axes = self.axes.index_select(0, images)
            turn, shift = (
                (axes * _with_first(part).index_select(0, cameras)[:, None]).sum(dim=-1)
                for part in (self.rotation, self.translation)
            )
            origins = origins + shift
            directions = apply_twist(turn, torch.zeros_like(turn), directions)
        if self.delay is not None:
            delays = _with_first(self.delay).index_select(0, cameras)
            times = (times + delays / self.last_frame).clamp(0.0, 1.0)
            sizes = images.unique_consecutive(return_counts=True)[1].tolist() if segments is None else segments.sizes
            segments = TimeSegments.from_sizes(times, tuple(sizes))
        return Rays(origins, directions, times, segments)

    def losses(self) -> dict[str, Tensor]:
        """What holds the corrections small where the pictures do not tell."""
        losses: dict[str, Tensor] = {}
        if self.rotation is not None and self.translation is not None:
            squares = self.rotation.square().sum(dim=-1) + self.translation.square().sum(dim=-1)
            losses["camera_poses"] = POSE_PENALTY * squares.mean()
        if self.delay is not None:
            losses["camera_times"] = TIME_PENALTY * self.delay.square().mean()
        return losses

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Poses and times learn at rates of their own."""
        groups = {"camera_poses": [self.rotation, self.translation], "camera_times": [self.delay]}
        learned = {name: [each for each in group if each is not None] for name, group in groups.items()}
        return {name: group for name, group in learned.items() if group}

    def metrics(self) -> dict[str, Tensor]:
        """`by_camera`, as numbers to watch."""
        return {
            f"{camera}_{name}": value
            for name, values in self._amounts().items()
            for camera, value in zip(self.names, values, strict=True)
        }

    def by_camera(self) -> dict[str, dict[str, float]]:
        """How far each camera was moved (`moved_mm`), turned (`turned_degrees`), and is late (`delay_frames`).

        Also `delay_ms` where the rate of the frames is known. Worlds count in metres.
        """
        amounts = {name: values.tolist() for name, values in self._amounts().items()}
        return {
            camera: {name: values[place] for name, values in amounts.items()} for place, camera in enumerate(self.names)
        }

    @torch.no_grad()
    def _amounts(self) -> dict[str, Float[Tensor, "cameras"]]:
        amounts: dict[str, Tensor] = {}
        if self.rotation is not None and self.translation is not None:
            amounts["moved_mm"] = 1000.0 * self.metres_per_unit * _with_first(self.translation).norm(dim=-1)
            amounts["turned_degrees"] = _with_first(self.rotation).norm(dim=-1).rad2deg()
        if self.delay is not None:
            amounts["delay_frames"] = _with_first(self.delay)
            if self.rate is not None:
                amounts["delay_ms"] = 1000.0 / self.rate * amounts["delay_frames"]
        return amounts


def _with_first(corrections: Float[Tensor, "others *rest"]) -> Float[Tensor, "cameras *rest"]:
    """Those of all cameras: none for the first."""
    return torch.cat((torch.zeros_like(corrections[:1]), corrections))
