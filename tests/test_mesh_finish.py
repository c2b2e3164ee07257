"""What is done to meshes before they are written: stray pieces, smoothing, fewer triangles."""

import numpy as np
import trimesh

from resfields_ns.export.mesh_finish import MeshFinish, supported_pieces
from resfields_ns.export.surface import Surface


def _surface(*balls: tuple[float, float]) -> Surface:
    """Balls of a radius, at a place on the x axis, coloured by their radius."""
    meshes = [trimesh.creation.icosphere(3, radius=radius).apply_translation([x, 0.0, 0.0]) for radius, x in balls]
    starts = np.cumsum([0] + [len(mesh.vertices) for mesh in meshes[:-1]])
    vertices = np.concatenate([mesh.vertices for mesh in meshes]).astype(np.float32)
    faces = np.concatenate([mesh.faces + start for mesh, start in zip(meshes, starts, strict=True)])
    colours = np.repeat([radius for radius, _ in balls], [len(mesh.vertices) for mesh in meshes])
    return Surface(vertices, faces, np.repeat(colours[:, None], 3, axis=1))


def _mesh(surface: Surface) -> trimesh.Trimesh:
    assert len(surface.colours) == len(surface.vertices)
    return trimesh.Trimesh(surface.vertices, surface.faces, process=False)


def test_the_largest_pieces_stay() -> None:
    balls = [(0.2, 5.0), (0.9, 0.0), (0.5, 3.0)]
    for count, kept in ((1, [0.9]), (2, [0.9, 0.5]), (7, [0.2, 0.9, 0.5])):
        found = MeshFinish(pieces=count)(_surface(*balls))
        assert _mesh(found).body_count == len(kept)
        assert set(found.colours[:, 0]) == set(kept)
        areas = sum(_mesh(_surface((radius, 0.0))).area for radius in kept)
        np.testing.assert_allclose(_mesh(found).area, areas, rtol=1e-4)


def test_pieces_stay_that_lie_in_the_hull() -> None:
    """By the larger share of their area, whatever their size."""
    balls = [(0.2, 5.0), (0.9, 0.0), (0.5, 3.0)]
    surface = _surface(*balls)
    box = np.array([[-1.0, -1.0, -1.0], [6.0, 1.0, 1.0]])
    hull = np.zeros((70, 70, 70), np.bool_)
    hull[:20] = True  # x below 1: all of the largest ball
    hull[38:] = True  # x above 2.8: 70 % of the middle one's area, and all of the smallest
    kept = supported_pieces(surface, hull, box)
    assert set(kept.colours[:, 0]) == {0.9, 0.5, 0.2}
    hull[38:42] = False  # now x above 3.2, which leaves 30 % of it
    kept = supported_pieces(surface, hull, box)
    assert set(kept.colours[:, 0]) == {0.9, 0.2} and _mesh(kept).body_count == 2
    assert len(supported_pieces(surface, np.zeros_like(hull), box).faces) == 0


def test_smoothing_takes_noise_and_keeps_the_volume() -> None:
    ball = _surface((1.0, 0.0))
    noise = np.random.default_rng(0).normal(scale=0.01, size=ball.vertices.shape).astype(np.float32)
    smooth = MeshFinish(smoothing=10)(Surface(ball.vertices + noise, ball.faces, ball.colours))
    rough = np.linalg.norm(ball.vertices + noise, axis=1).std()
    assert np.linalg.norm(smooth.vertices, axis=1).std() < 0.5 * rough
    np.testing.assert_allclose(_mesh(smooth).volume, _mesh(ball).volume, rtol=0.02)


def test_fewer_triangles_keep_shape_and_colours() -> None:
    surface = _surface((1.0, 0.0), (0.5, 3.0))
    fewer = MeshFinish(triangles=600)(surface)
    assert 500 < len(fewer.faces) <= 600 and _mesh(fewer).is_watertight
    np.testing.assert_allclose(_mesh(fewer).volume, _mesh(surface).volume, rtol=0.05)
    on_the_large_one = fewer.vertices[:, 0] < 1.5
    np.testing.assert_allclose(fewer.colours[:, 0], np.where(on_the_large_one, 1.0, 0.5))


def test_what_is_not_asked_for_and_no_surface_stay_as_they_are() -> None:
    surface, nothing = _surface((1.0, 0.0)), Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3)))
    assert MeshFinish()(surface) is surface and MeshFinish(triangles=2000)(surface) is surface
    assert len(MeshFinish(pieces=1, smoothing=2, triangles=3)(nothing).faces) == 0
