"""What browsers draw by themselves of a frame: a surface's mesh, a video's picture, points that move.

Notation: made in normalised space, put in the scene `VISER_NERFSTUDIO_SCALE_RATIO` times as large.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from nerfstudio.models.base_model import Model
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO

from resfields_ns.functional.intersections import half_extents, pixel_coordinates
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.models.picture_model import PictureModel
from resfields_ns.models.sceneflow_model import SceneFlowModel
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.timeline import times_from_frames

if TYPE_CHECKING:
    from viser import SceneApi

Put = Callable[["SceneApi", str], Any]
"""Puts something that is made into a scene, hidden, by a name."""


class FrameShapes(ABC):
    """Shapes of frames, from a model."""

    label: str
    """What they are, for the panel."""
    resolutions: tuple[int, ...]
    """At which they are made, coarse first."""

    @abstractmethod
    def make(self, frame: int, resolution: int) -> Put:
        """That of a frame, as the model is now."""


def shapes_of(model: Model, num_frames: int) -> FrameShapes | None:
    """Those of a task's model; None for one that knows none."""
    if isinstance(model, SurfaceModel):
        return MeshShapes(model, num_frames)
    if isinstance(model, PictureModel):
        return PictureShapes(model, num_frames)
    if isinstance(model, SceneFlowModel):
        return PointShapes(model, num_frames)
    return None


class MeshShapes(FrameShapes):
    """The surface of a model, as a mesh with colours; the resolution is in cells along the longest side of its box."""

    label = "meshes"
    resolutions = (32, 96)

    def __init__(self, model: SurfaceModel, num_frames: int) -> None:
        self.model, self.num_frames = model, num_frames

    def make(self, frame: int, resolution: int) -> Put:
        """A GLB file, or nothing where the frame has no surface."""
        from resfields_ns.export.glb import glb_of
        from resfields_ns.export.surface import extract_surface

        surface = extract_surface(
            self.model, float(times_from_frames(torch.tensor(frame), self.num_frames)), resolution
        )
        if len(surface.faces) == 0:
            return lambda scene, name: scene.add_frame(name, show_axes=False, visible=False)
        content = glb_of(surface, lit=False)
        return lambda scene, name: scene.add_glb(name, content, VISER_NERFSTUDIO_SCALE_RATIO, visible=False)


class PictureShapes(FrameShapes):
    """The picture that hangs in space (`functional/intersections.py`); the resolution is that of its longer side."""

    label = "pictures"
    resolutions = (64, 512)

    def __init__(self, model: PictureModel, num_frames: int) -> None:
        self.model, self.num_frames = model, num_frames

    @torch.no_grad()
    def make(self, frame: int, resolution: int) -> Put:
        """An image in the plane x = 0."""
        import viser.transforms as vtf

        picture = self.model.picture
        share = min(1.0, resolution / max(picture.height, picture.width))
        height, width = (max(2, round(share * side)) for side in (picture.height, picture.width))
        pixels = pixel_coordinates(torch.arange(height * width, device=self.model.device), height, width)
        time = float(times_from_frames(torch.tensor(frame), self.num_frames))
        rgb = torch.cat([self.model.colours(TimedPoints.at(part, time)) for part in pixels.split(65_536)])
        image = (255.0 * rgb.clamp(0.0, 1.0)).round().byte().view(height, width, 3).cpu().numpy()
        right, up = (2.0 * VISER_NERFSTUDIO_SCALE_RATIO * half for half in half_extents(picture.height, picture.width))
        upright = vtf.SO3.from_matrix(np.array([[0.0, 0.0, -1.0], [1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])).wxyz
        return lambda scene, name: scene.add_image(name, image, right, up, wxyz=upright, visible=False)


class PointShapes(FrameShapes):
    """Points that move, with the ends of their paths behind them, which fade."""

    label = "points"
    resolutions = (1,)
    MOMENTS = 12  # of a path
    STEP = 0.25  # frames

    def __init__(self, model: SceneFlowModel, num_frames: int) -> None:
        self.model, self.num_frames = model, num_frames

    @torch.no_grad()
    def make(self, frame: int, resolution: int) -> Put:
        """A cloud of points at the frame and at moments before."""
        del resolution
        positions = [max(frame - moment * self.STEP, 0.0) for moment in range(self.MOMENTS)]
        times = times_from_frames(torch.tensor(positions), self.num_frames).to(self.model.device)
        points, colours = zip(*(self.model.coloured_points(time) for time in times), strict=True)
        shares = torch.linspace(1.0, 0.2, self.MOMENTS, device=times.device)
        faded = torch.cat([1.0 - share * (1.0 - colour) for share, colour in zip(shares, colours, strict=True)])
        cloud = VISER_NERFSTUDIO_SCALE_RATIO * torch.cat(points).cpu().numpy()
        rgb = (255.0 * faded).round().byte().cpu().numpy()
        size = VISER_NERFSTUDIO_SCALE_RATIO * self.model.config.point_radius
        return lambda scene, name: scene.add_point_cloud(name, cloud, rgb, size, "circle", visible=False)
