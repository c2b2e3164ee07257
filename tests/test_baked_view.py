"""Colours by the direction of view in reports: what is baked on meshes, and what the page makes of it in a browser."""

import base64
import gzip
from pathlib import Path

import numpy as np
import pytest
import torch
import trimesh
from scipy.ndimage import map_coordinates
from torch import Tensor, nn

from resfields_ns.captures.camera import Similarity
from resfields_ns.export.mesh_formats import animate_meshes, write_mesh
from resfields_ns.export.surface import Surface
from resfields_ns.fields.colour import ViewBasisColour
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.report.baked_view import BakedView, bake_view, table_directions
from resfields_ns.report.report_page import write_report
from resfields_ns.report.run_parts import RunParts
from tests.browser import open_page, require_browser, wait_for

_TURN = trimesh.transformations.euler_matrix(0.3, -1.1, 2.0)


class _Shining(SurfaceModel):
    """Points whose feature is their place, with a colour head that depends on the direction clearly."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.colour = ViewBasisColour(3, 16)
        last = self.colour.coefficients[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=1.0)

    @property
    def surface_box(self) -> Tensor:
        return torch.tensor([[-1.0] * 3, [1.0] * 3])

    @property
    def surface_slope(self) -> float | None:
        raise NotImplementedError

    @property
    def view_basis(self) -> nn.Module:
        return self.colour.basis

    def view_coefficients(self, points: Tensor, time: float) -> Tensor:
        return self.colour.expand(points + time)

    def surface_level(self, points: Tensor, time: float) -> Tensor:
        raise NotImplementedError

    def surface_colours(self, points: Tensor, time: float) -> Tensor:
        raise NotImplementedError


def _as_pages_do(baked: BakedView, mesh: int, directions: np.ndarray) -> np.ndarray:
    """Colours of vertices, each in a direction, by attributes and the table, between whose cells it is blended."""
    height, width = baked.table.shape[:2]
    column = (np.arctan2(directions[:, 2], directions[:, 0]) / (2.0 * np.pi) + 0.5) * width - 0.5
    row = np.arccos(directions[:, 1]) / np.pi * height - 0.5
    wrapped = np.concatenate([baked.table[:, -1:], baked.table, baked.table[:, :1]], axis=1)
    basis = [map_coordinates(one, [row, column + 1.0], order=1, mode="nearest") for one in np.moveaxis(wrapped, 2, 0)]
    attributes = baked.attributes[mesh]
    k = [scale * (2.0 * attributes[f"_K{n}"] - 1.0) for n, scale in enumerate(baked.scales)]
    return 1.0 / (1.0 + np.exp(-(k[0] + sum(h[:, None] * kn for h, kn in zip(basis, k[1:], strict=True)))))


def test_what_is_baked_gives_the_fields_colours() -> None:
    """In a world that is turned, moved and scaled."""
    shining, random = _Shining(), np.random.default_rng(0)
    matrix = np.diag([2.5, 2.5, 2.5, 1.0]) @ _TURN
    matrix[:3, 3] = [4.0, -3.0, 10.0]
    to_world = Similarity(matrix)
    points, times = [random.uniform(-1.0, 1.0, (500, 3)) for _ in range(2)], [0.0, 0.5]
    meshes = [(to_world(one), time) for one, time in zip(points, times, strict=True)]
    baked = bake_view(shining, shining.view_basis, meshes, to_world)
    assert all(value.min() >= 0.0 and value.max() <= 1.0 for mesh in baked.attributes for value in mesh.values())
    colours = []
    for index, (of_mesh, time) in enumerate(zip(points, times, strict=True)):
        directions = random.normal(size=(500, 3))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        feature = torch.from_numpy(of_mesh).float() + time
        own = shining.colour(feature, torch.from_numpy(directions @ _TURN[:3, :3]).float()).detach().numpy()
        np.testing.assert_allclose(_as_pages_do(baked, index, directions), own, atol=0.03)  # at the poles
        assert np.abs(_as_pages_do(baked, index, directions) - own).mean() < 0.002
        colours += [own, shining.colour(feature, torch.tensor([[1.0, 0.0, 0.0]]).expand(500, 3)).detach().numpy()]
    assert np.abs(colours[0] - colours[1]).mean() > 0.03  # it depends on the direction


def test_a_function_that_no_colour_takes_does_no_harm() -> None:
    shining = _Shining()
    nn.init.zeros_(shining.colour.coefficients[-1].weight)  # pyright: ignore
    nn.init.zeros_(shining.colour.coefficients[-1].bias)  # pyright: ignore
    baked = bake_view(shining, shining.view_basis, [(np.zeros((1, 3)), 0.0)], Similarity(np.eye(4)))
    np.testing.assert_array_equal(_as_pages_do(baked, 0, np.array([[1.0, 0.0, 0.0]])), 0.5)


@pytest.mark.parametrize("up", [(0.0, 1.0, 0.0), (0.0, 0.0, 1.0)])
def test_a_browser_puts_them_together(up: tuple[float, float, float], tmp_path: Path) -> None:
    """A ball whose red, green and blue are sigmoids of the direction's x, y and z, seen from each axis."""
    require_browser()
    ball = trimesh.creation.icosphere(3)
    grey = Surface(np.array(ball.vertices), np.array(ball.faces), np.full((len(ball.vertices), 3), 0.5))
    write_mesh(grey, tmp_path / "mesh_000000.ply", np.eye(4))
    k = np.concatenate([np.zeros((1, 3)), np.eye(3), np.zeros((5, 3))])  # of each function, in each colour
    attributes = {f"_K{n}": np.tile(0.5 + 0.5 * k[n], (len(ball.vertices), 1)) for n in range(9)}
    animate_meshes([0], {0: tmp_path / "mesh_000000.ply"}, 24.0, tmp_path / "ball.glb", {0: attributes})
    table = np.concatenate([table_directions(), np.zeros((*table_directions().shape[:2], 5))], axis=2)
    baked = BakedView([attributes], np.full(9, 2.0), table)
    view = {"forward": [-1.0, 0.0, 0.0], "up": list(up), "fov": 40.0, "frames": [0], "starts": [0.0]}
    content = base64.b64encode(gzip.compress((tmp_path / "ball.glb").read_bytes())).decode()
    parts = RunParts("ball", {}, {}, [], {}, {}, {}, None, content, view | {"basis": baked.for_page()}, "", [])
    write_report([parts], tmp_path / "ball.html")
    with open_page((tmp_path / "ball.html").as_uri(), 600, 700) as page:
        wait_for("the player", lambda: page.evaluate("window.players?.length === 1"), 60)
        page.evaluate("setPlaying(false)")
        for eye in np.concatenate([np.eye(3), -np.eye(3)]):
            place = (4.0 * eye + [0.0, 0.02, 0.01]).tolist()  # not straight above
            page.evaluate(f"players[0].camera.position.fromArray({place}); players[0].controls.update()")
            page.evaluate("players[0].draw()")
            drawn = page.screenshot(".player")
            middle = drawn[drawn.shape[0] // 2, drawn.shape[1] // 2] / 255.0
            np.testing.assert_allclose(middle, 1.0 / (1.0 + np.exp(2.0 * eye)), atol=0.02)
