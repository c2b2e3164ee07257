"""A small textured creature that waves, bends and twists: the subject of the demo capture.

Its rest shape is a smooth union of round parts, standing upright along +y and facing +z, about 1.6 units tall.
Motion and texture are functions of the rest position p; the phase runs from 0 to 1 once over the sequence, whose end
joins its beginning.
"""

from dataclasses import dataclass

import mcubes
import numpy as np
from jaxtyping import Float, Int

_GRID_CELLS = 60
_GRID_EXTENT = 1.0
_BLEND = 0.09  # radius of the smooth joints between parts
_POSED_CENTRE = np.array([0.0, 0.05, 0.0])
_POSED_SCALE = 0.88  # keeps every pose within the unit sphere

# (start, end, start radius, end radius) of each part, for the side x > 0
_MIRRORED_PARTS = [
    ((0.14, -0.30, 0.02), (0.24, -0.70, 0.08), 0.15, 0.13),  # leg
    ((0.24, 0.04, 0.00), (0.70, 0.16, 0.04), 0.11, 0.10),  # arm
    ((0.17, 0.66, -0.02), (0.34, 0.86, -0.04), 0.10, 0.07),  # ear
]
_CENTRAL_PARTS = [
    ((0.00, -0.26, 0.00), (0.00, 0.00, 0.00), 0.30, 0.25),  # body
    ((0.00, 0.46, 0.04), (0.00, 0.50, 0.04), 0.29, 0.27),  # head
    ((0.00, 0.40, 0.26), (0.00, 0.40, 0.30), 0.10, 0.08),  # muzzle
    ((0.00, -0.38, -0.24), (0.00, -0.14, -0.66), 0.12, 0.07),  # tail
]


@dataclass(frozen=True)
class Creature:
    """Rest surface (closed, triangles), and what the seed decides: motion, colours and spots."""

    rest_vertices: Float[np.ndarray, "vertices 3"]
    faces: Int[np.ndarray, "faces 3"]
    phases: Float[np.ndarray, "4"]
    poses: Float[np.ndarray, "poses 4"]
    palette: Float[np.ndarray, "4 3"]
    spots: Float[np.ndarray, "spots 3"]

    @classmethod
    def from_seed(cls, seed: int, num_poses: int = 0) -> "Creature":
        """The creature of a seed: the same one each time, and a differently coloured and moving one for each seed.

        With `num_poses` it goes through so many random poses one after another, in place of swinging once.
        """
        rng = np.random.default_rng(seed)
        vertices, faces = _rest_mesh()
        spots = vertices[rng.choice(len(vertices), size=26, replace=False)]
        phases, palette = rng.uniform(0.0, 1.0, size=4), _palette(rng.uniform())
        return cls(vertices, faces, phases, rng.uniform(-1.0, 1.0, size=(num_poses, 4)), palette, spots)

    def vertices_at(self, phase: float) -> Float[np.ndarray, "vertices 3"]:
        """Positions of the vertices at a phase of the motion."""
        swing = self._swing(phase)
        p = self.rest_vertices.copy()
        side = np.sign(p[:, 0])
        reach = _smoothstep(np.abs(p[:, 0]), 0.24, 0.62) * _smoothstep(p[:, 1], -0.20, 0.0) * (p[:, 1] < 0.45)
        wave = reach * (0.35 + np.where(side > 0, 0.85 * swing[0], 0.85 * swing[1]))
        p = _rotate(p, np.array([0.24, 0.06, 0.0]) * side[:, None], (0, 1), wave * side)
        tail = _smoothstep(-p[:, 2], 0.25, 0.62) * (p[:, 1] < 0.2)
        p = _rotate(p, np.array([0.0, -0.3, -0.22]), (2, 0), 0.9 * swing[2] * tail)
        above_feet = _smoothstep(p[:, 1], -0.65, 0.6)
        p = _rotate(p, np.array([0.0, -0.6, 0.0]), (0, 1), 0.30 * swing[2] * above_feet)
        p = _rotate(p, np.array([0.0, -0.5, 0.0]), (1, 2), 0.16 * (1.0 + swing[3]) * above_feet)
        p = _rotate(p, np.zeros(3), (2, 0), 0.65 * swing[3] * _smoothstep(p[:, 1], -0.5, 0.7))
        return _POSED_SCALE * (p - _POSED_CENTRE)

    def _swing(self, phase: float) -> Float[np.ndarray, "4"]:
        """How far right arm, left arm, tail and body have swung, -1 to 1."""
        if len(self.poses) == 0:
            return np.sin(2.0 * np.pi * (phase + self.phases))
        passed, way = divmod(phase * len(self.poses), 1.0)
        start, end = self.poses[[int(passed) % len(self.poses), (int(passed) + 1) % len(self.poses)]]
        return start + (end - start) * _smoothstep(np.full(4, way), 0.0, 1.0)

    def colours(self, rest_points: Float[np.ndarray, "points 3"]) -> Float[np.ndarray, "points 3"]:
        """RGB in 0..1 of the surface at rest positions."""
        fur, stripe, belly, accent = self.palette
        x, y, z = rest_points.T
        colour = np.broadcast_to(fur, rest_points.shape)
        colour = _blend(colour, stripe, _stripes(rest_points))
        colour = _blend(colour, belly, _ball(rest_points, (0.0, -0.16, 0.30), 0.24))
        colour = _blend(colour, belly, _ball(rest_points, (0.0, 0.38, 0.36), 0.16))
        spot_distance = np.linalg.norm(rest_points[:, None] - self.spots, axis=-1).min(axis=1)
        on_back = _edge(0.02 - z) * _edge(0.5 - np.abs(x))
        colour = _blend(colour, accent, _edge(0.055 - spot_distance) * on_back)
        colour = _blend(colour, accent, _edge(np.abs(x) - 0.70) * (y > -0.2) + _edge(-0.68 - y))
        return _face(colour, rest_points)


def _face(colour: np.ndarray, rest_points: np.ndarray) -> np.ndarray:
    """Paint eyes, nose and cheeks; the rest position is mirrored to x >= 0."""
    mirrored = np.abs(rest_points * [1, 0, 0]) + rest_points * [0, 1, 1]
    colour = _blend(colour, [0.98, 0.98, 0.95], _ball(mirrored, (0.12, 0.56, 0.29), 0.085))
    colour = _blend(colour, [0.05, 0.05, 0.09], _ball(mirrored, (0.115, 0.55, 0.32), 0.055))
    colour = _blend(colour, [0.96, 0.45, 0.50], _ball(mirrored, (0.20, 0.42, 0.26), 0.06))
    return _blend(colour, [0.10, 0.07, 0.10], _ball(mirrored, (0.0, 0.45, 0.39), 0.06))


def _stripes(points: np.ndarray) -> np.ndarray:
    """Rings around the arms, legs and tail, and none on the face."""
    x, y, z = points.T
    arm, leg, tail = _edge(np.abs(x) - 0.32) * (y < 0.4), _edge(-0.45 - y), _edge(-0.34 - z)
    along = np.select([tail > 0, leg > 0], [-z, -y], np.abs(x))
    rings = np.maximum.reduce([arm, leg, tail]) * _edge(0.03 * np.sin(along * 2.0 * np.pi / 0.17))
    ears = _edge(y - 0.76)
    return np.maximum(rings, ears)


def _rest_mesh() -> tuple[np.ndarray, np.ndarray]:
    axis = np.linspace(-_GRID_EXTENT, _GRID_EXTENT, _GRID_CELLS)
    grid = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    vertices, faces = mcubes.marching_cubes(_rest_distance(grid), 0.0)
    outward_faces = faces[:, ::-1].astype(np.int64)
    return vertices * (axis[1] - axis[0]) - _GRID_EXTENT, outward_faces


def _rest_distance(points: np.ndarray) -> np.ndarray:
    """Approximate signed distance to the rest surface, negative inside."""
    mirrored = np.abs(points * [1, 0, 0]) + points * [0, 1, 1]
    distance = _cone(mirrored, *_CENTRAL_PARTS[0])
    for part in _CENTRAL_PARTS[1:] + _MIRRORED_PARTS:
        distance = _smooth_union(distance, _cone(mirrored, *part))
    return distance


def _cone(points: np.ndarray, start: tuple, end: tuple, start_radius: float, end_radius: float) -> np.ndarray:
    """Approximate distance to a round cone between two points."""
    offset, axis = points - np.array(start), np.array(end) - np.array(start)
    along = np.clip(offset @ axis / (axis @ axis), 0.0, 1.0)
    nearest = np.linalg.norm(offset - along[..., None] * axis, axis=-1)
    return nearest - (start_radius + along * (end_radius - start_radius))


def _smooth_union(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    overlap = np.clip(1.0 - np.abs(a - b) / _BLEND, 0.0, None)
    return np.minimum(a, b) - 0.25 * _BLEND * overlap**2


def _rotate(points: np.ndarray, centre: np.ndarray, plane: tuple[int, int], angle: np.ndarray) -> np.ndarray:
    """Turn each point by its own angle, in the plane of two axes, about `centre`."""
    first, second = plane
    offset, turned = points - centre, points.copy()
    cos, sin = np.cos(angle), np.sin(angle)
    turned[:, first] = cos * offset[:, first] - sin * offset[:, second]
    turned[:, second] = sin * offset[:, first] + cos * offset[:, second]
    turned[:, [first, second]] += np.broadcast_to(centre, points.shape)[:, [first, second]]
    return turned


def _palette(hue: float) -> np.ndarray:
    """Colours of fur, stripes, belly and accents around a hue in 0..1."""
    shades = [(hue, 0.62, 1.0), (hue + 0.55, 0.70, 0.70), (hue + 0.08, 0.15, 1.0), (hue + 0.42, 0.75, 1.0)]
    hues, saturations, values = np.array(shades).T
    wheel = np.clip(np.abs((hues[:, None] * 6.0 + [0.0, 4.0, 2.0]) % 6.0 - 3.0) - 1.0, 0.0, 1.0)
    return values[:, None] * (1.0 - saturations[:, None] * (1.0 - wheel))


def _ball(points: np.ndarray, centre: tuple[float, float, float], radius: float) -> np.ndarray:
    return _edge(radius - np.linalg.norm(points - np.array(centre), axis=-1))


def _edge(inside: np.ndarray) -> np.ndarray:
    """1 where `inside` is positive and 0 where negative, with a border too narrow to look soft."""
    return _smoothstep(inside, -0.006, 0.006)


def _smoothstep(value: np.ndarray, low: float, high: float) -> np.ndarray:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def _blend(colour: np.ndarray, paint: np.ndarray | list[float], amount: np.ndarray) -> np.ndarray:
    return colour + amount[:, None] * (np.asarray(paint) - colour)
