"""Grids of features at several resolutions: the nodes around points, and their weights (Müller et al. 2022).

Notation: L levels; level l has n_l cells along each side of [-1, 1]^3 and (n_l + 1)^3 nodes. Where these are at most T,
each has an entry of its own in the level's table; those of a finer level share T entries by a hash. The tables of all
levels are one behind the other. u in [0, 1]^3 is the place of a point in its cell, whose node c in {0, 1}^3 has the
weight w_c = prod_a (c_a u_a + (1 - c_a) (1 - u_a)). Points beyond the cube are taken to its border.
"""

from collections.abc import Sequence
from itertools import product

import torch
from jaxtyping import Float, Int
from torch import Tensor

_PRIMES = (1, 2_654_435_761, 805_459_861)
_NODES = tuple(product((0, 1), repeat=3))


def table_sizes(cells: Sequence[int], most: int) -> list[int]:
    """Entries of every level's table, of which at most T = `most`."""
    return [min((along + 1) ** 3, most) for along in cells]


def entries_and_places(
    points: Float[Tensor, "points 3"], cells: Sequence[int], most: int
) -> tuple[Int[Tensor, "levels 8 points"], Float[Tensor, "levels 3 points"]]:
    """The entries of the nodes around points, and u, for levels of n_l = `cells`; T = `most` is a power of two."""
    inside = points.clamp(-1.0, 1.0).T
    entries, places, first = [], [], 0
    for along, size in zip(cells, table_sizes(cells, most), strict=True):
        position = (inside + 1.0) * (0.5 * along)
        node = position.detach().long().clamp(max=along - 1)
        places.append(position - node)
        if size == (along + 1) ** 3:
            x, y, z = ((node[axis], node[axis] + 1) for axis in range(3))
            found = [(x[i] * (along + 1) + y[j]) * (along + 1) + z[k] for i, j, k in _NODES]
        else:
            x, y, z = ((node[axis] * prime, (node[axis] + 1) * prime) for axis, prime in enumerate(_PRIMES))
            found = [(x[i] ^ y[j] ^ z[k]) & (size - 1) for i, j, k in _NODES]
        entries.append(torch.stack(found) + first)
        first += size
    return torch.stack(entries), torch.stack(places)


def node_weights(u: Float[Tensor, "levels 3 points"]) -> Float[Tensor, "levels 8 points"]:
    """w."""
    return _products(_factors(u))


def weight_slopes(u: Float[Tensor, "levels 3 points"]) -> Float[Tensor, "levels 3 8 points"]:
    """Derivatives of w by the three numbers of u."""
    factors = _factors(u)
    sign = torch.tensor([-1.0, 1.0], dtype=u.dtype, device=u.device)[:, None].expand_as(factors[0])
    slopes = ([sign if of == axis else factor for of, factor in enumerate(factors)] for axis in range(3))
    return torch.stack([_products(each) for each in slopes], dim=1)


def _factors(u: Tensor) -> list[Float[Tensor, "levels 2 points"]]:
    return [torch.stack((1.0 - u[:, axis], u[:, axis]), dim=1) for axis in range(3)]


def _products(factors: list[Tensor]) -> Float[Tensor, "levels 8 points"]:
    x, y, z = factors
    yz = y[:, :, None] * z[:, None]
    return (x[:, :, None, None] * yz[:, None]).flatten(1, 3)
