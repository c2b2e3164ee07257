"""Cameras, frusta, box and scene as a picture and as a page."""

import math
from pathlib import Path

import numpy as np
import viser
import viser.transforms
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from resfields_ns.captures.checks.checked_capture import CheckedCapture, CheckedView, Moment

_CORNER_BITS = np.array([[(corner >> axis) & 1 for axis in range(3)] for corner in range(8)])
_EDGES = np.array([(a, a | 1 << axis) for axis in range(3) for a in range(8) if not a >> axis & 1])


def box_edges(box: Float[np.ndarray, "2 3"]) -> Float[np.ndarray, "12 2 3"]:
    """The edges of an axis-aligned box."""
    corners = np.take_along_axis(box, _CORNER_BITS, axis=0)
    return corners[_EDGES]


def frustum_edges(view: CheckedView, length: float) -> Float[np.ndarray, "8 2 3"]:
    """Rays through the image's corners, and the image they frame at `length` from the camera's centre."""
    width, height = view.width, view.height
    centre, directions = view.camera.rays(np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]]))
    corners = centre + length * directions
    sides = np.stack([np.broadcast_to(centre, corners.shape), corners], axis=1)
    return np.concatenate([sides, np.stack([corners, np.roll(corners, -1, axis=0)], axis=1)])


def common_up(views: list[CheckedView]) -> Float[np.ndarray, "3"]:
    """The mean of what is up in the images, as a unit vector; +z if they have nothing in common."""
    up = np.mean([-view.camera.pose[:, 1] for view in views], axis=0)
    length = np.linalg.norm(up)
    return up / length if length > 1e-6 else np.array([0.0, 0.0, 1.0])


_FRUSTUM_LENGTH = 0.25  # of the cameras' median distance to the middle of the box
_MOST_IMAGES = 6
_MOST_POINTS = 2000
_EDGE_PIECES = 16  # into which the box's edges are cut where they are drawn into images
_BOX_COLOUR, _POINT_COLOUR, _TRAIN_COLOUR, _TEST_COLOUR = "tab:red", "tab:green", "tab:blue", "tab:orange"
_SIZE = (15.0, 10.0)  # inches
_PIXELS_PER_INCH = 100


def draw_picture(capture: CheckedCapture, moments: list[Moment], path: Path) -> None:
    """Write the picture, of the moment in the middle, as a PNG file."""
    moment = moments[len(moments) // 2]
    shown = moment.views[:: -(-len(moment.views) // _MOST_IMAGES)]
    figure = Figure(figsize=_SIZE, dpi=_PIXELS_PER_INCH, layout="constrained")
    figure.suptitle(f"{capture.folder}, frame {moment.number}: box red, scene green, training blue, test orange")
    top, bottom = np.asarray(figure.subfigures(2, 1, height_ratios=[2.2, 1.0])).flat
    above, beside = top.subplots(1, 2)
    up = common_up(moment.views)
    _draw_scene(above, capture, moment, _screen_axes(up, up), "from above")
    _draw_scene(beside, capture, moment, _screen_axes(_oblique(up), up), "from the side")
    for axes, view in zip(bottom.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        _draw_image(axes, capture, moment, view)
    figure.savefig(path, format="png")


def scene_points(moment: Moment) -> Float[np.ndarray, "points 3"]:
    """A few points of the scene: of the cloud, or else of all depth images."""
    depths = [view.depth_points for view in moment.views if view.depth is not None]
    points = moment.cloud if moment.cloud is not None else np.concatenate([*depths, np.empty((0, 3))])
    return points[np.linspace(0, len(points) - 1, min(_MOST_POINTS, len(points))).astype(np.int64)]


def _oblique(up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3"]:
    """A direction towards an observer who stands beside the scene, a little above it."""
    aside = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    direction = aside / np.linalg.norm(aside)
    direction = direction + 0.6 * np.cross(up, direction) + 0.5 * up
    return direction / np.linalg.norm(direction)


def _screen_axes(towards: Float[np.ndarray, "3"], up: Float[np.ndarray, "3"]) -> Float[np.ndarray, "3 2"]:
    """What is right and up to an observer in a direction, who sees all in parallel projection."""
    right = np.cross(up, towards)
    if np.linalg.norm(right) < 1e-6:
        right = np.cross(up, np.eye(3)[np.abs(up).argmin()])
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(towards, right)], axis=-1)


def _draw_scene(
    axes: Axes, capture: CheckedCapture, moment: Moment, screen: Float[np.ndarray, "3 2"], title: str
) -> None:
    centre = capture.box.mean(axis=0, keepdims=True)
    length = _FRUSTUM_LENGTH * float(np.median([view.distances_to(centre)[0] for view in moment.views]))
    axes.add_collection(LineCollection(list(box_edges(capture.box) @ screen), colors=_BOX_COLOUR, linewidths=1.0))
    axes.scatter(*(scene_points(moment) @ screen).T, s=1.0, c=_POINT_COLOUR, linewidths=0.0)
    for view in moment.views:
        colour = _colour(view)
        axes.add_collection(LineCollection(list(frustum_edges(view, length) @ screen), colors=colour, linewidths=1.0))
        axes.plot(*(_path(capture, view) @ screen).T, color=colour, linewidth=0.5, linestyle=":")
        axes.annotate(view.camera_name, tuple(view.camera.centre @ screen), fontsize=8, color=colour)
    axes.set_title(title, fontsize=10)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("normalised units", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.autoscale_view()


def _path(capture: CheckedCapture, view: CheckedView) -> Float[np.ndarray, "frames 3"]:
    """Where the view's camera is over time."""
    images = capture.cameras[view.camera_name]
    return np.stack([image.camera.centre for image in images])


def _draw_image(axes: Axes, capture: CheckedCapture, moment: Moment, view: CheckedView) -> None:
    """The image, with outline of the mask, box and points as its camera should see them."""
    axes.imshow(view.image, extent=(0.0, view.width, view.height, 0.0), interpolation="nearest")
    if view.mask is not None and view.mask.any():
        columns, rows = np.arange(view.width) + 0.5, np.arange(view.height) + 0.5
        axes.contour(columns, rows, view.mask.astype(float), levels=[0.5], colors="white", linewidths=0.7)
    shares = np.linspace(0.0, 1.0, _EDGE_PIECES)[:, None]
    for start, end in box_edges(capture.box):
        pixels, visible = view.camera.project(start + shares * (end - start))
        axes.plot(*np.where(visible, pixels.T, np.nan), color=_BOX_COLOUR, linewidth=0.8)
    pixels, visible = view.camera.project(scene_points(moment))
    axes.scatter(*pixels[visible].T, s=0.6, c=_POINT_COLOUR, linewidths=0.0)
    axes.set_title(f"{view.camera_name} ({view.split})", fontsize=8, color=_colour(view))
    axes.set_xlim(0.0, view.width)
    axes.set_ylim(view.height, 0.0)
    axes.set_axis_off()


def _colour(view: CheckedView) -> str:
    return _TRAIN_COLOUR if view.split == "train" else _TEST_COLOUR


_FRUSTUM_SCALE = 0.1  # of the camera's distance to the middle of the box
_LARGEST_IMAGE = 320  # pixels, along the longer side
_POINT_SIZE = 0.005  # of the box's longest side


def show_capture(server: viser.ViserServer, capture: CheckedCapture, moments: list[Moment]) -> None:
    """Add a capture to a server's scene, with a slider over the moments where there are several."""
    server.scene.set_up_direction(tuple(common_up(moments[0].views)))
    for number, edge in enumerate(box_edges(capture.box)):
        server.scene.add_spline_catmull_rom(f"/box/{number}", edge, color=_rgb(_BOX_COLOUR), segments=1)
    frames = [_add_moment(server, capture, moment) for moment in moments]
    for frame in frames[1:]:
        frame.visible = False
    if len(moments) > 1:
        slider = server.gui.add_slider("Frame looked at", min=0, max=len(moments) - 1, step=1, initial_value=0)

        @slider.on_update
        def _(_: viser.GuiEvent) -> None:
            for position, frame in enumerate(frames):
                frame.visible = position == slider.value


def _add_moment(server: viser.ViserServer, capture: CheckedCapture, moment: Moment) -> viser.FrameHandle:
    name = f"/frame_{moment.number}"
    handle = server.scene.add_frame(name, show_axes=False)
    size = _POINT_SIZE * float((capture.box[1] - capture.box[0]).max())
    points = scene_points(moment)
    if len(points):
        server.scene.add_point_cloud(f"{name}/scene", points.astype(np.float32), _rgb(_POINT_COLOUR), point_size=size)
    for view in moment.views:
        _add_view(server, f"{name}/{view.camera_name}", view, capture.box.mean(axis=0))
    return handle


def _add_view(server: viser.ViserServer, name: str, view: CheckedView, centre: Float[np.ndarray, "3"]) -> None:
    stride = -(-max(view.width, view.height) // _LARGEST_IMAGE)
    server.scene.add_camera_frustum(
        name,
        fov=2.0 * math.atan(0.5 * view.height / view.camera.fx),
        aspect=view.width / view.height,
        scale=_FRUSTUM_SCALE * float(view.distances_to(centre[None])[0]),
        color=_rgb(_colour(view)),
        image=view.image[::stride, ::stride],
        wxyz=viser.transforms.SO3.from_matrix(view.camera.pose[:, :3]).wxyz,
        position=view.camera.centre,
    )
    server.scene.add_label(f"{name}/name", view.camera_name)


def _rgb(colour: str) -> tuple[int, int, int]:
    """A colour of matplotlib's, 0 to 255."""
    red, green, blue = (round(255.0 * value) for value in to_rgb(colour))
    return red, green, blue
