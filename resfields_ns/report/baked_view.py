"""Colours that depend on the direction of view, baked on meshes (NeX: Wizadwongsa et al. 2021).

A vertex keeps its coefficients k, the page a table of the functions H over directions, and puts them together: what a
vertex shows in the direction d is sigmoid(k_0 + sum_n k_n H_n(d)).
"""

from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.captures.camera import Similarity
from resfields_ns.models.level_grid import LEVELS_AT_ONCE
from resfields_ns.models.surface_model import SurfaceModel

_WIDTH, _HEIGHT = 128, 64  # of the table: longitudes and latitudes


@dataclass(frozen=True)
class BakedView:
    """What a page needs.

    Args:
        attributes: of the vertices of every mesh, k_n in [0, 1] as _Kn
        scales: what 1 stands for: k_n = scales[n] (2 _Kn - 1)
        table: H_n at latitudes, from y to -y, and longitudes, from -x over -z and x to z
    """

    attributes: list[dict[str, Float[np.ndarray, "vertices 3"]]]
    scales: Float[np.ndarray, "functions_and_one"]
    table: Float[np.ndarray, "latitudes longitudes functions"]

    def for_page(self) -> dict[str, Any]:
        """Scales, and the table as half floats in base64, four functions a texture."""
        halves = [self.table[..., first : first + 4] for first in range(0, self.table.shape[2], 4)]
        packed = [b64encode(np.ascontiguousarray(half, "<f2").tobytes()).decode() for half in halves]
        return {"scales": self.scales.tolist(), "width": _WIDTH, "height": _HEIGHT, "tables": packed}


@torch.no_grad()
def bake_view(
    model: SurfaceModel,
    basis: Callable[[Float[Tensor, "views 3"]], Float[Tensor, "views functions"]],
    meshes: list[tuple[Float[np.ndarray, "vertices 3"], float]],
    to_world: Similarity,
) -> BakedView:
    """Bake meshes, given by the places of their vertices in the world and their times."""
    baked = []
    for vertices, time in meshes:
        points = torch.from_numpy(to_world.inverse(vertices).astype(np.float32)).to(model.surface_box.device)
        parts = [model.view_coefficients(part, time) for part in points.split(LEVELS_AT_ONCE)]
        baked.append(torch.cat(parts).cpu().numpy())
    largest = np.max([np.abs(one).max(axis=(0, 2)) for one in baked], axis=0)
    scales = np.where(largest > 0.0, largest, 1.0)  # of a function that no colour takes, any
    shares = [0.5 + 0.5 * one / scales[:, None] for one in baked]
    attributes = [{f"_K{n}": one[:, n] for n in range(len(scales))} for one in shares]
    directions = torch.from_numpy(table_directions() @ to_world.rotation).float()  # the world's, turned back
    table = basis(directions.reshape(-1, 3).to(model.surface_box.device))
    return BakedView(attributes, scales, table.unflatten(0, (_HEIGHT, _WIDTH)).cpu().numpy())


def table_directions() -> Float[np.ndarray, "latitudes longitudes 3"]:
    """Unit directions in the world of the middles of a table's cells."""
    down = np.pi * (np.arange(_HEIGHT) + 0.5) / _HEIGHT
    around = 2.0 * np.pi * ((np.arange(_WIDTH) + 0.5) / _WIDTH - 0.5)
    down, around = np.meshgrid(down, around, indexing="ij")
    return np.stack([np.sin(down) * np.cos(around), np.cos(down), np.sin(down) * np.sin(around)], axis=-1)
