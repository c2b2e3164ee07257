"""What is written of a calibration: files that other commands read, and a picture of the residuals."""

import json
import math
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from resfields_ns.captures.boards.board_calibration import CalibratedCamera, root_mean_square

RESIDUAL_PICTURE = "residuals.png"
RIG_FILE = "rig.json"
_PANEL = (5.0, 4.2)  # inches
_MOST_ARROWS = 3000
_ARROW_SHARE = 0.02  # of the picture's diagonal, that the arrow of a typical residual takes


def write_opencv_files(folder: Path, cameras: dict[str, CalibratedCamera], with_poses: bool = True) -> None:
    """Write OpenCV's YAML of each camera, as `rf-videos --calibration` reads it; without poses, for `--intrinsics`."""
    for name, found in cameras.items():
        camera = found.camera
        values = {
            "image_width": camera.width,
            "image_height": camera.height,
            "camera_matrix": camera.opencv_matrix,
            "distortion_coefficients": camera.lens.opencv[None],
        }
        if with_poses:
            rotation = camera.pose[:, :3].T
            values |= {"R": rotation, "T": (-rotation @ camera.centre)[:, None]}
        # in memory, as OpenCV writes less to a full disk, and says nothing
        storage = cv2.FileStorage(".yml", cv2.FILE_STORAGE_WRITE | cv2.FILE_STORAGE_MEMORY)
        for key, value in values.items():
            storage.write(key, np.ascontiguousarray(value) if isinstance(value, np.ndarray) else value)
        storage.write("reprojection_rms", found.rms)
        (folder / f"{name}.yml").write_text(storage.releaseAndGetString(), encoding="utf-8")


def write_rig(path: Path, cameras: dict[str, CalibratedCamera], offsets: dict[str, int]) -> None:
    """Write the rig of devices, as `rf-kinect --rig` reads it.

    Args:
        offsets: microseconds that were added to each device's times already
    """
    rig = {}
    for name, found in cameras.items():
        clock = round(1e6 * found.clock) if found.clock is not None else 0
        pose = np.vstack([found.camera.pose, [0.0, 0.0, 0.0, 1.0]]).tolist()
        rig[name] = {"camera_to_world": pose, "time_offset_us": offsets[name] + clock}
    path.write_text(json.dumps(rig, indent=2) + "\n", encoding="utf-8")


def draw_residuals(path: Path, cameras: dict[str, CalibratedCamera]) -> None:
    """Write a panel for each camera: every corner where it was seen, and an arrow to where it should be, enlarged."""
    columns = math.ceil(math.sqrt(len(cameras)))
    rows = math.ceil(len(cameras) / columns)
    figure = Figure(figsize=(columns * _PANEL[0], rows * _PANEL[1]), dpi=100, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    typical = float(np.median(np.concatenate([np.linalg.norm(of.residuals, axis=1) for of in cameras.values()])))
    for axes in panels[len(cameras) :]:
        axes.set_axis_off()
    for axes, (name, found) in zip(panels, cameras.items(), strict=False):
        _draw_panel(axes, name, found, max(typical, 1e-3))
    figure.savefig(path, format="png")


def _draw_panel(axes: Axes, name: str, found: CalibratedCamera, typical: float) -> None:
    width, height = found.camera.size
    enlarged = _ARROW_SHARE * math.hypot(width, height) / typical
    shown = np.linspace(0, len(found.pixels) - 1, min(_MOST_ARROWS, len(found.pixels))).round().astype(int)
    (x, y), (dx, dy) = found.pixels[shown].T, enlarged * found.residuals[shown].T
    sizes = np.linalg.norm(found.residuals[shown], axis=1)
    arrows = axes.quiver(
        x,
        y,
        dx,
        dy,
        sizes,
        angles="xy",
        scale_units="xy",
        scale=1.0,
        width=0.002,
        cmap="viridis",
        clim=(0, 3 * typical),
    )
    axes.figure.colorbar(arrows, ax=axes, label="pixels", shrink=0.8)
    axes.set_title(
        f"{name}: {len(found.pixels)} corners in {found.num_views} views\n"
        f"{found.rms:.2f} pixels root mean square; arrows x {enlarged:.0f}",
        fontsize=9,
    )
    axes.set_xlim(0.0, width)
    axes.set_ylim(height, 0.0)
    axes.set_aspect("equal")
    axes.tick_params(labelsize=7)


def describe_cameras(cameras: dict[str, CalibratedCamera], with_poses: bool = True) -> list[str]:
    """A line for each camera, and one for all."""
    lines = []
    for name, found in cameras.items():
        camera = found.camera
        where = ", ".join(f"{value:.3f}" for value in camera.centre)
        text = f"{name}: {len(found.pixels)} corners in {found.num_views} views, {found.rms:.2f} pixels; "
        text += f"focal length {camera.fx:.1f}{' (kept)' if found.known else ''}"
        text += f", at {where} m" if with_poses else ""
        if found.clock is not None and len(cameras) > 1:
            text += f", its clock {1000 * found.clock:+.1f} ms"
        lines.append(text)
    residuals = np.concatenate([found.residuals for found in cameras.values()])
    lines.append(f"All: {len(residuals)} corners, {root_mean_square(residuals):.2f} pixels root mean square")
    return lines
