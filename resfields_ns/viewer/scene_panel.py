"""What stands around the field in the host's viewer: cameras with their pictures, box, hull, and what is true."""

import threading
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO
from torch import Tensor

from resfields_ns.captures.meshes.mesh_loading import load_mesh
from resfields_ns.captures.sequence import Capture, Sequence, SequenceImage, Surfaces
from resfields_ns.functional.rays import cell_centres
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.viewer.time_panel import TimePanel

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer

HELD_OUT_COLOUR, BOX_COLOUR, TRUTH_COLOUR, HULL_COLOUR = (230, 60, 60), (120, 120, 120), (90, 160, 230), (90, 200, 90)
HULL_RESOLUTION = 64  # cells along a side of the box
_LONGEST_SIDE = 100  # pixels of a camera's picture, as the host has it
_CAMERA_SIZE = 0.05  # of the box, where the host's size, made for other scenes, was left
_SEEN_THROUGH = 3.0  # of a camera's size: nearer than this, a page looks through it
_EDGES = (0, 1, 3, 2, 0, 4, 5, 1, 5, 7, 3, 7, 6, 2, 6, 4)  # corners of a box along all of its edges


@runtime_checkable
class CarvesHull(Protocol):
    """A pipeline whose data have masks or may have some."""

    def visual_hull(self, resolution: int) -> Bool[Tensor, "frames cells cells cells"] | None:
        """The visual hull of every frame; None without masks."""
        ...


class ScenePanel:
    """Switches for what is in the scene, and what follows the shown frame.

    Args:
        viewer: the host's
        time: tells the shown frame
    """

    def __init__(self, viewer: "Viewer", time: TimePanel) -> None:
        self.viewer, self.time = viewer, time
        trained, held_out = viewer.pipeline.datamanager.train_dataset, viewer.pipeline.datamanager.eval_dataset
        assert trained is not None and held_out is not None
        self.sequence = sequence_of(trained)
        self.scene, self.gui = viewer.viser_server.scene, viewer.viser_server.gui
        if viewer.config.camera_frustum_scale == ViewerConfig.camera_frustum_scale:
            side = float((self.sequence.box[1] - self.sequence.box[0]).max())
            viewer.config.camera_frustum_scale = VISER_NERFSTUDIO_SCALE_RATIO * _CAMERA_SIZE * side
        drawn = viewer._pick_drawn_image_idxs(len(self.sequence.images))
        self.training = {f"/cameras/camera_{index:05d}": self.sequence.images[index] for index in drawn}
        self.held_out: dict[str, SequenceImage] = {}
        self.truth, self.hull = None, None
        self.occupied: Tensor | None = None
        with self.gui.add_folder("Scene", order=-0.8, expand_by_default=False):
            self._add_held_out(held_out)
            self._add_box()
            if _has_truth(self.sequence):
                self.truth = self.gui.add_checkbox("Ground truth", False, hint="The frame's mesh or points")
                self.truth.on_update(lambda _: self._show_truth())
            pipeline = viewer.pipeline
            if isinstance(pipeline, CarvesHull) and isinstance(self.sequence, Capture) and self.sequence.has_masks:
                self.hull = self.gui.add_checkbox("Visual hull", False, hint="What the masks of the frame leave")
                self.hull.on_update(lambda _: self._show_hull(pipeline))
        time.frame.on_update(lambda _: self._follow())

    def for_pages(self) -> dict[str, Any]:
        """Cameras, each with its pictures in the order of their frames."""
        cameras = defaultdict(list)
        for name, image in {**self.training, **self.held_out}.items():
            cameras[name.split("/")[1], image.camera_name].append({"name": name, "frame": image.frame})
        return {
            "cameras": [sorted(images, key=lambda image: image["frame"]) for images in cameras.values()],
            "camera_size": _SEEN_THROUGH * self.viewer.config.camera_frustum_scale,
        }

    def _add_held_out(self, dataset: InputDataset) -> None:
        """Cameras of pictures that are not trained on; the host adds those that are."""
        sequence = sequence_of(dataset)
        trained = {(image.camera_name, image.frame_position) for image in self.sequence.images}
        drawn = {f"/held_out/camera_{i:05d}": i for i in self.viewer._pick_drawn_image_idxs(len(sequence.images))}
        self.held_out = {
            name: sequence.images[index]
            for name, index in drawn.items()
            if (sequence.images[index].camera_name, sequence.images[index].frame_position) not in trained
        }
        if not self.held_out:
            return
        parent = self.scene.add_frame("/held_out", show_axes=False)
        switch = self.gui.add_checkbox("Held-out cameras", True, hint="Red, with pictures that are not trained on")
        switch.on_update(lambda _: setattr(parent, "visible", switch.value))
        indices = {name: drawn[name] for name in self.held_out}
        threading.Thread(target=self._draw_cameras, args=(dataset, indices), daemon=True).start()

    def _draw_cameras(self, dataset: InputDataset, indices: dict[str, int]) -> None:
        import viser.transforms as vtf

        for name, index in indices.items():
            camera = self.held_out[name].camera
            picture = dataset.get_numpy_image(index)
            step = max(1, max(picture.shape[:2]) // _LONGEST_SIDE)
            self.scene.add_camera_frustum(
                name,
                fov=2.0 * np.arctan(0.5 * camera.height / camera.fy),
                aspect=camera.width / camera.height,
                scale=self.viewer.config.camera_frustum_scale,
                color=HELD_OUT_COLOUR,
                image=picture[::step, ::step, :3],
                wxyz=vtf.SO3.from_matrix(camera.pose[:, :3]).wxyz,
                position=VISER_NERFSTUDIO_SCALE_RATIO * camera.centre,
            )

    def _add_box(self) -> None:
        low, high = VISER_NERFSTUDIO_SCALE_RATIO * self.sequence.box
        bits = np.array([[corner >> 2 & 1, corner >> 1 & 1, corner & 1] for corner in _EDGES])
        corners = low + bits * (high - low)
        ends = np.stack((corners[:-1], corners[1:]), axis=1).reshape(-1, 3)  # as control points: straight lines
        box = self.scene.add_spline_cubic_bezier("/scene_box", corners, ends, color=BOX_COLOUR, visible=False)
        switch = self.gui.add_checkbox("Scene box", False)
        switch.on_update(lambda _: setattr(box, "visible", switch.value))

    def _follow(self) -> None:
        """Show what belongs to another frame."""
        self._show_truth()
        if self.hull is not None and self.occupied is not None:
            self._put_hull(self.hull.value, self.occupied)

    def _show_truth(self) -> None:
        if self.truth is None or not self.truth.value:
            self.scene.add_frame("/ground_truth", show_axes=False, visible=False)
            return
        vertices, faces = _truth(self.sequence, self.time.frame.value)
        points = VISER_NERFSTUDIO_SCALE_RATIO * vertices
        if faces is None:
            self.scene.add_point_cloud("/ground_truth", points, TRUTH_COLOUR, point_size=0.03)
        else:
            self.scene.add_mesh_simple("/ground_truth", points, faces, color=TRUTH_COLOUR)

    def _show_hull(self, pipeline: CarvesHull) -> None:
        assert self.hull is not None
        if self.hull.value and self.occupied is None:
            self.occupied = pipeline.visual_hull(HULL_RESOLUTION)
        if self.occupied is not None:
            self._put_hull(self.hull.value, self.occupied)

    def _put_hull(self, visible: bool, occupied: Bool[Tensor, "frames cells cells cells"]) -> None:
        cells = occupied[self.time.frame.value].flatten().nonzero()[:, 0]
        box = torch.from_numpy(self.sequence.box).float()
        points = VISER_NERFSTUDIO_SCALE_RATIO * cell_centres(cells, (HULL_RESOLUTION,) * 3, box).numpy()
        size = VISER_NERFSTUDIO_SCALE_RATIO * float((box[1] - box[0]).max()) / HULL_RESOLUTION
        self.scene.add_point_cloud("/visual_hull", points, HULL_COLOUR, point_size=0.5 * size, visible=visible)


def _has_truth(sequence: Sequence) -> bool:
    if isinstance(sequence, Capture):
        return sequence.meshes is not None or sequence.clouds is not None
    return isinstance(sequence, Surfaces)


def _truth(sequence: Sequence, frame: int) -> tuple[Float[np.ndarray, "vertices 3"], Any]:
    """Vertices, normalised, and triangles where there are some."""
    if isinstance(sequence, Surfaces):
        mesh = sequence.meshes.frame(frame)
        return np.asarray(mesh.vertices), np.asarray(mesh.faces)
    assert isinstance(sequence, Capture)
    files = sequence.meshes or sequence.clouds
    assert files is not None
    loaded = load_mesh(files[frame])
    faces = getattr(loaded, "faces", None)
    return np.asarray(loaded.vertices, np.float64), None if faces is None or len(faces) == 0 else np.asarray(faces)
