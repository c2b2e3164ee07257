"""Where the viewer's camera starts: as a camera of the sequence, upright, with the scene in sight.

Notation: all in normalised space, which the host's viewer shows `VISER_NERFSTUDIO_SCALE_RATIO` times as large.
"""

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO

from resfields_ns.captures.camera import Camera
from resfields_ns.captures.poses import OPENGL_FROM_OPENCV
from resfields_ns.captures.sequence import Sequence
from resfields_ns.export.camera_paths import vertical

if TYPE_CHECKING:
    from viser import CameraHandle, ClientHandle

_POINTS_ALONG_SIDE = 5  # of the box, which tell how much of it a camera sees
_NEAREST_TARGET = 0.05  # what the camera turns around lies in front of it
_STEEPEST = 0.98  # cosine between up and a view that can still be upright


@dataclass(frozen=True)
class View:
    """A view without roll of what a picture shows.

    Args:
        position: of the camera
        target: what it turns around, on its optical axis
        up: of the world, unit length
        half_width, half_height: of the picture, at distance 1
    """

    position: Float64[np.ndarray, "3"]
    target: Float64[np.ndarray, "3"]
    up: Float64[np.ndarray, "3"]
    half_width: float
    half_height: float

    def fov(self, aspect: float) -> float:
        """The vertical field of view, in radians, of a window (width / height) that holds the whole picture."""
        return 2.0 * math.atan(max(self.half_height, self.half_width / aspect))

    def show_to(self, client: "ClientHandle") -> None:
        """Let a page look from here, and see as much when its window changes, as it does once the panel is there."""
        camera, aspect = client.camera, client.camera.aspect

        @camera.on_update
        def _(camera: "CameraHandle") -> None:
            nonlocal aspect
            if camera.aspect != aspect:
                aspect = camera.aspect
                camera.fov = self.fov(aspect)

        with client.atomic():
            camera.up_direction = self.up
            camera.position = VISER_NERFSTUDIO_SCALE_RATIO * self.position
            camera.look_at = VISER_NERFSTUDIO_SCALE_RATIO * self.target
            camera.fov = self.fov(camera.aspect)


def first_view(sequence: Sequence) -> View:
    """That of the camera of the first frame with most of the scene's box in its picture, the first of several."""
    first_frame = min(image.frame for image in sequence.images)
    cameras = [image.camera for image in sequence.images if image.frame == first_frame]
    camera = max(cameras, key=lambda camera: _share_in_picture(camera, sequence.box))
    poses = np.stack([image.camera.pose * OPENGL_FROM_OPENCV for image in sequence.images])
    forward, to_middle = camera.pose[:, 2], sequence.box.mean(axis=0) - camera.centre
    up = vertical(torch.from_numpy(poses).float()).double().numpy()
    return View(
        position=camera.centre,
        target=camera.centre + max(forward @ to_middle, _NEAREST_TARGET) * forward,
        up=up if abs(forward @ up) < _STEEPEST else -camera.pose[:, 1],
        half_width=max(camera.cx, camera.width - camera.cx) / camera.fx,
        half_height=max(camera.cy, camera.height - camera.cy) / camera.fy,
    )


def _share_in_picture(camera: Camera, box: Float64[np.ndarray, "2 3"]) -> float:
    """Of points spread over the box."""
    shares = np.array(list(product(np.linspace(0.0, 1.0, _POINTS_ALONG_SIDE), repeat=3)))
    return float(camera.project(box[0] + shares * (box[1] - box[0]))[1].mean())
