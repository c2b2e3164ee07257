"""Cameras, frusta, box and scene in a page of viser."""

import math

import numpy as np
import viser
import viser.transforms
from jaxtyping import Float

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.picture import scene_points
from resfields_ns.checks.sampled_moments import Moment
from resfields_ns.checks.wireframes import box_edges, common_up

_OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0])
_FRUSTUM_SCALE = 0.1  # of the camera's distance to the middle of the box
_LARGEST_IMAGE = 320  # pixels, along the longer side
_POINT_SIZE = 0.005  # of the box's longest side
_BOX_COLOUR, _POINT_COLOUR, _TRAIN_COLOUR, _TEST_COLOUR = (214, 39, 40), (44, 160, 44), (31, 119, 180), (255, 127, 14)


def show_capture(server: viser.ViserServer, capture: Capture, moments: list[Moment]) -> None:
    """Add a capture to a server's scene, with a slider over the moments where there are several."""
    server.scene.set_up_direction(tuple(common_up(moments[0].views)))
    for number, edge in enumerate(box_edges(capture.box)):
        server.scene.add_spline_catmull_rom(f"/box/{number}", edge, color=_BOX_COLOUR, segments=1)
    frames = [_add_moment(server, capture, moment) for moment in moments]
    for frame in frames[1:]:
        frame.visible = False
    if len(moments) > 1:
        slider = server.gui.add_slider("Frame looked at", min=0, max=len(moments) - 1, step=1, initial_value=0)

        @slider.on_update
        def _(_: viser.GuiEvent) -> None:
            for position, frame in enumerate(frames):
                frame.visible = position == slider.value


def _add_moment(server: viser.ViserServer, capture: Capture, moment: Moment) -> viser.FrameHandle:
    name = f"/frame_{moment.number}"
    handle = server.scene.add_frame(name, show_axes=False)
    size = _POINT_SIZE * float((capture.box[1] - capture.box[0]).max())
    points = scene_points(moment)
    if len(points):
        server.scene.add_point_cloud(f"{name}/scene", points.astype(np.float32), _POINT_COLOUR, point_size=size)
    for view in moment.views:
        _add_view(server, f"{name}/{view.camera}", view, capture.box.mean(axis=0))
    return handle


def _add_view(server: viser.ViserServer, name: str, view: CheckedView, centre: Float[np.ndarray, "3"]) -> None:
    stride = -(-max(view.width, view.height) // _LARGEST_IMAGE)
    server.scene.add_camera_frustum(
        name,
        fov=2.0 * math.atan(0.5 * view.height / view.focal_length),
        aspect=view.width / view.height,
        scale=_FRUSTUM_SCALE * float(view.distances_to(centre[None])[0]),
        color=_TRAIN_COLOUR if view.source.split == "train" else _TEST_COLOUR,
        image=view.image[::stride, ::stride],
        wxyz=viser.transforms.SO3.from_matrix(view.pose[:, :3] @ _OPENGL_TO_OPENCV).wxyz,
        position=view.pose[:, 3],
    )
    server.scene.add_label(f"{name}/name", view.camera)
