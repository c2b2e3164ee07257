"""Regular grids of cells in a box."""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def cell_centres(
    cells: Int[Tensor, "cells"], counts: tuple[int, ...], box: Float[Tensor, "2 3"]
) -> Float[Tensor, "cells 3"]:
    """Centres of cells given by their flat index in a grid of `counts` cells along x, y and z."""
    index = torch.stack(torch.unravel_index(cells, counts), dim=-1).to(box)
    return box[0] + (index + 0.5) / torch.tensor(counts).to(box) * (box[1] - box[0])
