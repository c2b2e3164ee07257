"""Surfaces of all frames as meshes, made behind the viewer, which its pages play by themselves."""

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float
from nerfstudio.viewer.viewer import VISER_NERFSTUDIO_SCALE_RATIO

from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.timeline import times_from_frames
from resfields_ns.viewer.pictures import leave_to_training

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer

    from resfields_ns.export.surface import Surface

RESOLUTIONS = (32, 96)  # cells along the longest side of the scene box, coarse first
MOST_MESHES = 150  # of longer sequences, every second frame has one, or every third


class MeshPanel:
    """Elements of the time panel, within which it is made, and the making of meshes.

    Args:
        viewer: the host's, of a model with a surface
        model: that model
        num_frames: frames of its sequence
    """

    def __init__(self, viewer: "Viewer", model: SurfaceModel, num_frames: int) -> None:
        self.viewer, self.model, self.num_frames = viewer, model, num_frames
        self.frames = list(range(0, num_frames, math.ceil(num_frames / MOST_MESHES)))
        self.maker: threading.Thread | None = None
        self.are_there = False
        gui = viewer.viser_server.gui
        hint = "Surfaces of all frames, which the browser plays by itself; the field is drawn when nothing moves"
        self.as_meshes = gui.add_checkbox("Play as meshes", False, hint=hint)
        self.anew = gui.add_button("Make meshes anew", visible=False, hint="As the field is now")
        self.progress = gui.add_progress_bar(0.0, visible=False)
        self.as_meshes.on_update(lambda _: self._switch())
        self.anew.on_click(lambda _: self.make())

    def name(self, frame: int) -> str:
        """Of a frame's mesh in the scene."""
        return f"/meshes/frame_{frame:05d}"

    def make(self) -> None:
        """Make all meshes; what was begun before ends."""
        self.maker = threading.Thread(target=self._make, daemon=True)
        self.maker.start()

    def _switch(self) -> None:
        if self.as_meshes.value and self.maker is None:
            self.make()
        self.anew.visible = self.as_meshes.value

    def _make(self) -> None:
        self.progress.visible = True
        wanted = [(resolution, frame) for resolution in RESOLUTIONS for frame in self.frames]
        for count, (resolution, frame) in enumerate(wanted):
            self.progress.value = 100.0 * count / len(wanted)
            started = time.monotonic()
            surface = self._surface(frame, resolution)
            if self.maker is not threading.current_thread():
                return
            self._put(frame, surface)
            self.are_there = True
            leave_to_training(self.viewer, time.monotonic() - started)
        self.progress.visible = False

    def _surface(self, frame: int, resolution: int) -> "Surface":
        from resfields_ns.export.surface import extract_surface

        moment = float(times_from_frames(torch.tensor(frame), self.num_frames))
        with self.viewer.train_lock or contextlib.nullcontext():
            network = self.viewer.pipeline.model
            was_training = network.training
            network.eval()
            try:
                return extract_surface(self.model, moment, resolution)
            finally:
                network.train(was_training)

    def _put(self, frame: int, surface: "Surface") -> None:
        scene = self.viewer.viser_server.scene
        if len(surface.faces) == 0:
            scene.add_frame(self.name(frame), show_axes=False, visible=False)
        else:
            scene.add_glb(self.name(frame), unlit_glb(surface), VISER_NERFSTUDIO_SCALE_RATIO, visible=False)


def unlit_glb(surface: "Surface") -> bytes:
    """A surface as a GLB file whose colours no light changes (KHR_materials_unlit)."""
    import trimesh
    from trimesh.exchange.gltf import export_glb

    def leave_unlit(tree: dict) -> None:
        tree["materials"] = [{"pbrMetallicRoughness": {}, "extensions": {"KHR_materials_unlit": {}}}]
        tree["extensionsUsed"] = ["KHR_materials_unlit"]
        for mesh in tree["meshes"]:
            for primitive in mesh["primitives"]:
                primitive["material"] = 0

    colours = np.round(255.0 * _linear(surface.colours)).astype(np.uint8)
    mesh = trimesh.Trimesh(surface.vertices, surface.faces, vertex_colors=colours, process=False)
    return export_glb(mesh.scene(), tree_postprocessor=leave_unlit)


def _linear(srgb: Float[np.ndarray, "vertices 3"]) -> Float[np.ndarray, "vertices 3"]:
    """Colours of vertices as glTF has them."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
