"""Where rays meet what is opaque: pictures, balls, implicit surfaces.

A picture that hangs in space. Notation: H x W pixels lie in the plane x = 0 of space, centred at the origin, and are
seen from positive x: y is to the right and z up, as viewers have it. With L = max(H, W), a pixel has side 2 / L, so
that the longer side spans [-1, 1]. A field sees (row, column), each linspace(-1, 1, n) over the n pixels' centres, rows
from the top (Sitzmann et al. 2020b); the rim of half a pixel lies beyond.

Rays that look at balls. Notation: R rays o + s d of unit direction d; N balls of one radius r with centres c. A ray
enters a ball at s = d . (c - o) - sqrt(r^2 - h^2), where h^2 = |c - o|^2 - (d . (c - o))^2 is its distance from the
centre, squared.

Rays come in blocks of neighbours; each block has an axis p + s a, and all its o and d lie within e and f of p and a.
A ray that meets a ball does so at s <= |c - p| + r + e, where it is at most e + s f away from the axis: so the axis
passes the centre at most r + e + (|c - p| + r + e) f away. Only balls for which that holds are tried on a block's rays.

Where rays meet an implicit surface. Notation: R rays with origins o and unit directions d; a point of a ray is o + s d,
s its distance, near <= s <= far. A field gives a number at points of known rays: negative inside, zero on the surface.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor


def pixel_coordinates(pixels: Int[Tensor, "*batch"], height: int, width: int) -> Float[Tensor, "*batch 2"]:
    """(row, column) in [-1, 1] of pixels given by their index row * W + column; a picture needs two of each."""
    rows_columns = torch.stack((pixels // width, pixels % width), dim=-1).to(torch.float32)
    return 2.0 * rows_columns / rows_columns.new_tensor([height - 1, width - 1]) - 1.0


def half_extents(height: int, width: int) -> tuple[float, float]:
    """Half the picture's width and height in space."""
    longer = max(height, width)
    return width / longer, height / longer


def intersect_picture(
    origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], height: int, width: int
) -> tuple[Bool[Tensor, "rays"], Float[Tensor, "rays"], Float[Tensor, "rays 2"]]:
    """Which rays hit the picture, and where: distances along the rays, and (row, column) as the field sees them.

    From behind, the picture is seen mirrored. Distances and coordinates of rays that miss mean nothing.
    """
    distances = -origins[:, 0] / directions[:, 0]
    inside, coordinates = project_on_picture(origins + distances[:, None] * directions, height, width)
    return inside & (distances > 0.0), distances, coordinates


def project_on_picture(
    points: Float[Tensor, "points 3"], height: int, width: int
) -> tuple[Bool[Tensor, "points"], Float[Tensor, "points 2"]]:
    """Which points lie before or behind the picture, and where: (row, column) as the field sees them.

    Points of a ray in or along the picture's plane, which are not finite, lie nowhere.
    """
    _, right, up = points.unbind(dim=-1)
    half_width, half_height = half_extents(height, width)
    inside = (right.abs() <= half_width) & (up.abs() <= half_height)
    longer = max(height, width)
    return inside, torch.stack((-up * longer / (height - 1), right * longer / (width - 1)), dim=-1)


BLOCK = 16  # rays


def nearest_balls(
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    centres: Float[Tensor, "balls 3"],
    radius: float,
) -> tuple[Int[Tensor, "rays"], Float[Tensor, "rays"]]:
    """The ball that every ray enters first, -1 for none, and s there, infinite for none.

    It is fastest where consecutive rays are neighbours. R / 16 x N numbers are held at once.
    """
    num_rays = len(origins)
    filled = torch.arange(-(-num_rays // BLOCK) * BLOCK, device=origins.device).clamp(max=num_rays - 1)
    origins, directions = origins[filled].view(-1, BLOCK, 3), directions[filled].view(-1, BLOCK, 3)
    block, ball = _candidates(origins, directions, centres, radius)
    towards, direction = centres[ball][:, None] - origins[block], directions[block]
    along = (towards * direction).sum(dim=-1)
    inside = radius**2 - (towards - along[..., None] * direction).square().sum(dim=-1)
    distances = along - inside.clamp(min=0.0).sqrt()
    met = (inside >= 0.0) & (distances > 0.0)

    rays = (block[:, None] * BLOCK + torch.arange(BLOCK, device=block.device))[met]
    balls, distances = ball[:, None].expand_as(met)[met], distances[met]
    nearest = distances.new_full((len(filled),), torch.inf).scatter_reduce(0, rays, distances, "amin")
    first = distances == nearest[rays]
    index = balls.new_full((len(filled),), -1).scatter_reduce(0, rays[first], balls[first], "amax")
    return index[:num_rays], nearest[:num_rays]


def _candidates(
    origins: Float[Tensor, "blocks size 3"],
    directions: Float[Tensor, "blocks size 3"],
    centres: Float[Tensor, "balls 3"],
    radius: float,
) -> tuple[Int[Tensor, "pairs"], Int[Tensor, "pairs"]]:
    """Blocks and the balls that their rays may meet."""
    middle, axis = origins.mean(dim=1), F.normalize(directions.mean(dim=1), dim=-1)
    e = (origins - middle[:, None]).norm(dim=-1).amax(dim=1, keepdim=True) + radius
    f = (directions - axis[:, None]).norm(dim=-1).amax(dim=1, keepdim=True)
    distance = torch.cdist(middle, centres)
    along = axis @ centres.T - (axis * middle).sum(dim=-1, keepdim=True)
    passed = (distance.square() - along.square()).clamp(min=0.0).sqrt()
    rounding = 1e-3 * distance
    return (passed <= e + (distance + e) * f + rounding).nonzero(as_tuple=True)  # pyright: ignore[reportReturnType]


Values = Callable[[Float[Tensor, "points 3"], Int[Tensor, "points"]], Float[Tensor, "points"]]
"""Numbers at points, given the rays that they are on; the rays come in order, each once."""

NUM_BISECTIONS = 16  # a crossing is found to 1/65536 of the step that crossed it


def sphere_trace(
    distance: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    tolerance: float = 1e-4,
    max_steps: int = 128,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    """Step along rays by the distance to the surface (Hart 1996): the rays that meet it, in order, and where.

    A ray has arrived where the distance is at most `tolerance`. Where a step goes through the surface, for a network's
    distances can be too large, the crossing is found by bisection. A ray that starts inside meets the surface at once,
    one whose near is beyond its far meets nothing.
    """
    return _walk(distance, origins, directions, near, far, lambda values: values, tolerance, max_steps)


def march(
    values: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    step: float,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    """As `sphere_trace`, in equal steps, for numbers that are no distances. Parts thinner than a step may be missed."""
    longest = float((far - near).clamp(min=0.0).amax()) if len(near) > 0 else 0.0
    max_steps = int(longest / step) + 2
    return _walk(values, origins, directions, near, far, lambda numbers: torch.full_like(numbers, step), 0.0, max_steps)


def _walk(
    values: Values,
    origins: Float[Tensor, "rays 3"],
    directions: Float[Tensor, "rays 3"],
    near: Float[Tensor, "rays"],
    far: Float[Tensor, "rays"],
    step: Callable[[Float[Tensor, "points"]], Float[Tensor, "points"]],
    tolerance: float,
    max_steps: int,
) -> tuple[Int[Tensor, "hits"], Float[Tensor, "hits"]]:
    def numbers_at(distances: Float[Tensor, "some"], rays: Int[Tensor, "some"]) -> Float[Tensor, "some"]:
        return values(origins[rays] + distances[:, None] * directions[rays], rays)

    rays = (near <= far).nonzero()[:, 0]
    distances = before = near[rays]
    arrivals: list[tuple[Int[Tensor, "some"], Float[Tensor, "some"], Float[Tensor, "some"], Bool[Tensor, "some"]]] = []
    for _ in range(max_steps):
        if len(rays) == 0:
            break
        numbers = numbers_at(distances, rays)
        there = numbers <= tolerance
        arrivals.append((rays[there], before[there], distances[there], numbers[there] < 0.0))
        moving = ~there & (distances < far[rays])
        rays, before = rays[moving], distances[moving]
        distances = torch.minimum(before + step(numbers[moving]), far[rays])
    if not arrivals:
        return rays, distances
    rays, before, distances, inside = (torch.cat(parts) for parts in zip(*arrivals, strict=True))
    order = rays.argsort()
    rays, before, distances, inside = rays[order], before[order], distances[order], inside[order]
    crossed = rays[inside]
    distances[inside] = _bisect(lambda middle: numbers_at(middle, crossed), before[inside], distances[inside])
    return rays, distances


def _bisect(
    values: Callable[[Float[Tensor, "some"]], Float[Tensor, "some"]],
    outside: Float[Tensor, "some"],
    inside: Float[Tensor, "some"],
) -> Float[Tensor, "some"]:
    """Distances between `outside` and `inside` at which values change their sign."""
    for _ in range(NUM_BISECTIONS):
        middle = 0.5 * (outside + inside)
        beyond = values(middle) < 0.0
        inside, outside = torch.where(beyond, middle, inside), torch.where(beyond, outside, middle)
    return inside
