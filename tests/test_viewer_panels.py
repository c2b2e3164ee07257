"""What a run adds to the host's viewer, for every task, without a page."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from pathlib import Path
from threading import Lock, Timer
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest
import torch
import trimesh
from nerfstudio.configs.base_config import ViewerConfig
from nerfstudio.utils import writer
from nerfstudio.viewer.viewer import Viewer
from torch import nn

from resfields_ns.captures.camera import Camera, Similarity
from resfields_ns.captures.poses import camera_around_origin
from resfields_ns.captures.sequence import Frames, Sequence, SequenceImage
from resfields_ns.export.glb import glb_of
from resfields_ns.export.surface import Surface
from resfields_ns.layers import shown_parts
from resfields_ns.viewer.first_view import first_view
from resfields_ns.viewer.frame_shapes import MeshShapes
from resfields_ns.viewer.pictures import PicturesOfPage, leave_to_training, turns_of
from resfields_ns.viewer.run_viewer import RunViewer
from resfields_ns.viewer.scene_panel import ScenePanel
from resfields_ns.viewer.shape_panel import ShapePanel
from tests.browser import wait_for
from tests.family import Family
from tests.methods import METHODS, family_of, tiny_config
from tests.viewer_pages import SECONDS, drag, free_port

BOX = np.array([[-1.0, -1.0, -1.0], [1.0, 1.0, 1.0]])


def sequence_of_cameras(*cameras: Camera) -> Sequence:
    """Of one frame."""
    images = tuple(SequenceImage(Path(f"{i}.png"), str(i), camera, 0.0) for i, camera in enumerate(cameras))
    return Sequence(Frames((0,)), images, Similarity.of(1.0, np.zeros(3)), BOX)


def test_the_first_view_is_that_of_the_camera_that_sees_most() -> None:
    near, far = (camera_around_origin(30.0, 20.0, distance, (80, 60), 90.0) for distance in (1.5, 5.0))
    view = first_view(sequence_of_cameras(near, far))
    np.testing.assert_allclose(view.position, far.centre)
    np.testing.assert_allclose(view.target, 0.0, atol=1e-9)


@pytest.mark.parametrize("aspect", [0.5, 4 / 3, 3.0])
def test_the_first_view_holds_the_whole_picture_of_its_camera(aspect: float) -> None:
    """Whose middle may lie beside its optical axis."""
    camera = Camera(80, 60, 90.0, 85.0, cx=30.0, cy=33.0, pose=np.column_stack([np.eye(3), [0.0, 0.0, -5.0]]))
    view = first_view(sequence_of_cameras(camera))
    half_height = np.tan(0.5 * view.fov(aspect))
    for x, y in camera.plane_coordinates(np.array([[0.0, 0.0], [80.0, 60.0]])):
        assert abs(y) <= half_height + 1e-9 and abs(x) <= aspect * half_height + 1e-9
    np.testing.assert_allclose(view.target, 0.0, atol=1e-9)


def test_a_page_sees_as_much_when_its_window_changes() -> None:
    """As it does once the panel is there, after the page has connected."""
    view = first_view(sequence_of_cameras(camera_around_origin(30.0, 20.0, 5.0, (80, 40), 90.0)))
    callbacks: list[Callable[[SimpleNamespace], None]] = []
    camera = SimpleNamespace(aspect=2.0, fov=0.0, on_update=callbacks.append)
    view.show_to(SimpleNamespace(camera=camera, atomic=nullcontext))  # pyright: ignore
    assert camera.fov == view.fov(2.0)
    camera.fov = 0.5  # as a preview of the host's sets it
    callbacks[0](camera)
    assert camera.fov == 0.5
    camera.aspect = 1.5
    callbacks[0](camera)
    assert camera.fov == view.fov(1.5) > view.fov(2.0)


@pytest.mark.parametrize("elevation", [-10.0, 15.0, 40.0])
def test_up_is_the_worlds_where_cameras_stand_around_the_scene(elevation: float) -> None:
    cameras = [
        camera_around_origin(azimuth, elevation, 5.0, (80, 60), 90.0)
        for azimuth in np.arange(0.0, 360.0, 45.0).tolist()
    ]
    np.testing.assert_allclose(first_view(sequence_of_cameras(*cameras)).up, [0.0, 1.0, 0.0], atol=1e-3)


@pytest.mark.parametrize(("trainer", "kept"), [(None, 0), (SimpleNamespace(training_state="paused"), 3)])
def test_what_the_host_notes_of_pictures_is_kept_for_a_trainer_alone(
    trainer: SimpleNamespace | None, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else would ever take it."""
    monkeypatch.setattr(writer, "EVENT_STORAGE", [])
    thread = Mock(_render_img=lambda _: writer.put_scalar("rays a second", 1.0, 0) or {})
    viewer = Mock(trainer=trainer, train_lock=Lock(), render_statemachines={0: thread})
    page = PicturesOfPage(viewer, Mock(client_id=0), lambda: True, lambda: True, lambda: None)
    for _ in range(3):
        page.draw(None)
    assert len(writer.EVENT_STORAGE) == kept


def test_colours_of_a_mesh_that_no_light_changes() -> None:
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]], np.float32)
    srgb = np.array([[1.0, 0.0, 0.5], [0.2, 0.0, 1.0], [1.0, 1.0, 1.0]])
    content = glb_of(Surface(vertices, np.array([[0, 1, 2]]), srgb), lit=False)
    assert b"KHR_materials_unlit" in content
    (mesh,) = trimesh.load_scene(BytesIO(content), file_type="glb", process=False).geometry.values()
    np.testing.assert_allclose(mesh.vertices, vertices)
    linear = mesh.visual.vertex_attributes["color"][:, :3] / 65535.0
    np.testing.assert_allclose(linear, [[1.0, 0.0, 0.2140], [0.0331, 0.0, 1.0], [1.0, 1.0, 1.0]], atol=1e-4)


@pytest.mark.parametrize(("state", "waited"), [("training", 0.6), ("completed", 0.0)])
def test_training_has_its_share_after_what_took_its_lock(state: str, waited: float) -> None:
    viewer: Any = SimpleNamespace(
        trainer=SimpleNamespace(training_state=state),
        control_panel=SimpleNamespace(train_util=0.75),
        train_lock=Lock(),
    )
    viewer.train_lock.acquire()  # a long step, such as the one that fits the hull: it is training's own
    Timer(1.0, viewer.train_lock.release).start()
    with turns_of(viewer):
        time.sleep(0.2)
    started = time.monotonic()
    leave_to_training(viewer)
    assert waited <= time.monotonic() - started < waited + 0.3


@pytest.mark.parametrize("state", ["training", "paused"])
def test_pictures_follow_training_without_keeping_it(state: str, demo_capture: Path, tmp_path: Path) -> None:
    """While it goes on, each has as many pixels as are drawn in two seconds, and the next step may ask for the next."""
    with viewer_of("tnerf-resfields-small", demo_capture, tmp_path) as (viewer, _):
        viewer.trainer = SimpleNamespace(training_state=state)  # pyright: ignore
        viewer.control_panel._train_util.value = 0.5
        thread: Any = SimpleNamespace(
            action=None,
            state="high",
            _calculate_image_res=lambda aspect: (300, int(300 * aspect)),
            _send_output_to_viewer=None,
        )

        def draw(camera_state: Any) -> dict[str, Any]:
            sizes.append(thread._calculate_image_res(2.0))
            with turns_of(viewer):
                time.sleep(0.1)
            return {}

        thread._render_img, sizes = draw, list[tuple[int, int]]()
        viewer.render_statemachines[0] = thread
        client: Any = SimpleNamespace(client_id=0, camera=SimpleNamespace(on_update=lambda _: None))
        page = PicturesOfPage(viewer, client, lambda: True, lambda: True, lambda: None)
        page.pixels_per_second = 10_000.0
        viewer.last_step = 10
        page.draw(None)
        assert viewer.last_step + 1e9 < 0
        page.draw(None)
        del viewer.render_statemachines[0]
    assert sizes == ([(100, 200), (300, 600)] if state == "training" else [(300, 600)] * 2)


def test_pictures_hide_what_is_behind_their_subject_alone() -> None:
    """Not what is behind an empty place, nor anything from so far that viser has no numbers for it."""
    sent: list[Any] = []
    thread: Any = SimpleNamespace(
        action=None, state="high", _calculate_image_res=None, _render_img=None, _send_output_to_viewer=None
    )
    thread._send_output_to_viewer = lambda outputs, _: sent.append(outputs.get("gl_z_buf_depth"))
    viewer: Any = SimpleNamespace(render_statemachines=[thread])
    client: Any = SimpleNamespace(client_id=0, camera=SimpleNamespace(on_update=lambda _: None))
    page = PicturesOfPage(viewer, client, lambda: True, lambda: True, lambda: None)
    accumulation = torch.tensor([[[0.0], [1.0]]])
    for depth in (torch.tensor([[[5.0], [3.0]]]), torch.tensor([[[30.0], [28.0]]]), None):
        page.send({"accumulation": accumulation} | ({} if depth is None else {"gl_z_buf_depth": depth}))
    assert sent[0].tolist() == [[[math.inf], [3.0]]] and sent[1:] == [None, None]


@contextmanager
def viewer_of(method: str, data: Path, folder: Path) -> Iterator[tuple[Viewer, RunViewer]]:
    """The host's viewer around an untrained method, and what the run adds."""
    pipeline = tiny_config(METHODS[method], data, folder).pipeline.setup(device="cpu")
    config = ViewerConfig(websocket_host="127.0.0.1", websocket_port=free_port())
    viewer = Viewer(config, folder / "viewer.log", folder, pipeline, train_lock=Lock())  # pyright: ignore
    try:
        yield viewer, pipeline.run_viewer
    finally:
        viewer.viser_server.stop()


def in_scene(viewer: Viewer, kind: str) -> set[str]:
    """Names of what is in the scene, by the kind of message that brings it to pages."""
    messages = viewer.viser_server._websock_server._broadcast_buffer.message_from_id.values()
    return {getattr(message, "name") for message in messages if type(message).__name__ == kind}  # noqa: B009


TASKS = {
    "tnerf-resfields-small": "GlbMessage",
    "video-resfields-small": "ImageMessage",
    "audio-resfields-small": "ImageMessage",
    "wave-resfields": "ImageMessage",
    "sdf-resfields-small": "GlbMessage",
    "sceneflow-resfields": "PointCloudMessage",
}
"""A method of every task, and how its shapes come to pages."""
NO_SURFACE = "FrameMessage"  # what comes of a field without one, as an untrained Siren may be


@pytest.mark.parametrize("method", TASKS)
def test_every_task_has_panels_and_shapes_that_browsers_play(
    method: str, tiny_data: Callable[[Family], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MeshShapes, "resolutions", (8, 12))
    family = family_of(METHODS[method])
    with viewer_of(method, tiny_data(family), tmp_path) as (viewer, run):
        labels = {handle._impl.label for handle in viewer.viser_server.gui._gui_input_handle_from_id.values()}
        assert {"Frame", "Play", "Scene box", "Residual scale", "Plot coefficients"} <= labels
        assert run.time.num_frames == len(family.frames)
        cameras = run.scene.for_pages()["cameras"]
        assert sum(map(len, cameras)) == len(run.scene.training) + len(run.scene.held_out)
        for images in cameras:
            frames = [image["frame"] for image in images]
            assert frames == sorted(frames)
        check_shapes(viewer, run.time.shapes, TASKS[method])


def check_shapes(viewer: Viewer, panel: ShapePanel | None, kind: str) -> None:
    """Shapes of all frames are made between training steps, coarse first."""
    assert panel is not None and viewer.train_lock is not None
    made: list[tuple[int, int]] = []
    make = panel.shapes.make
    panel.shapes.make = lambda frame, resolution: made.append((resolution, frame)) or make(frame, resolution)
    with viewer.train_lock:
        drag(panel.in_browser, True)
        time.sleep(0.2)
        assert not made
    wait_for("shapes", lambda: panel.are_there and not panel.progress.visible, SECONDS)
    assert made == [(resolution, frame) for resolution in panel.shapes.resolutions for frame in panel.frames]
    assert {panel.name(frame) for frame in panel.frames} <= in_scene(viewer, kind) | in_scene(viewer, NO_SURFACE)
    assert viewer.pipeline.model.training


def test_what_is_around_a_capture_and_inside_its_residuals(demo_capture: Path, tmp_path: Path) -> None:
    with viewer_of("tnerf-resfields-small", demo_capture, tmp_path) as (viewer, run):
        check_scene(viewer, run.scene)
        check_layers(viewer)


def check_scene(viewer: Viewer, scene: ScenePanel) -> None:
    """Cameras that are held out are others, truth is there, and the hull is in the middle."""
    trained, held_out = ({i.camera_name for i in images.values()} for images in (scene.training, scene.held_out))
    assert held_out and trained.isdisjoint(held_out)
    wait_for("held-out cameras", lambda: scene.held_out.keys() <= in_scene(viewer, "CameraFrustumMessage"), SECONDS)
    assert scene.truth is not None and scene.hull is not None
    drag(scene.truth, True)
    assert "/ground_truth" in in_scene(viewer, "MeshMessage")
    drag(scene.hull, True)
    assert scene.occupied is not None
    mean = np.argwhere(scene.occupied[0].numpy()).mean(axis=0) / scene.occupied.shape[1]
    assert ((mean > 0.2) & (mean < 0.8)).all()


def check_layers(viewer: Viewer) -> None:
    """One layer or all show their base weights alone."""
    handles = {handle._impl.label: handle for handle in viewer.viser_server.gui._gui_input_handle_from_id.values()}
    field = viewer.pipeline.model.field
    assert isinstance(field, nn.Module)
    layers = shown_parts(field)
    assert len(layers) > 1
    drag(handles["Residual scale"], 0.5)
    drag(handles[next(iter(layers))], False)
    assert [layer.shown_scale for layer in layers.values()] == [0.0] + [0.5] * (len(layers) - 1)
    drag(handles["Base weights alone"], True)
    assert {layer.shown_scale for layer in layers.values()} == {0.0}
