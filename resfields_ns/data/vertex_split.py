"""Vertices to learn from, and vertices to evaluate on (paper, 4.4)."""

import torch
from jaxtyping import Int
from torch import Tensor


def split_vertices(
    num_vertices: int, train_share: float, seed: int
) -> tuple[Int[Tensor, "train"], Int[Tensor, "held_out"]]:
    """Indices of a random `train_share` of the vertices, and of the others, each in order.

    Raises ValueError if one of the two would be empty.
    """
    num_train = round(train_share * num_vertices)
    if not 0 < num_train < num_vertices:
        raise ValueError(
            "datamanager.train-share: expected a share that leaves vertices to train and to evaluate on, found "
            f"{train_share} of {num_vertices}"
        )
    order = torch.randperm(num_vertices, generator=torch.Generator().manual_seed(seed))
    return order[:num_train].sort().values, order[num_train:].sort().values
