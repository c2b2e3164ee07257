"""Distance between surfaces, by points on them."""

from jaxtyping import Float
from scipy.spatial import KDTree
from torch import Tensor


def chamfer_l1(first: Float[Tensor, "n 3"], second: Float[Tensor, "m 3"]) -> float:
    """Sum of the mean nearest-neighbour distances of both directions, nearest by L1 and measured in L1.

    The convention of the paper's released evaluation; multiply by 1000 for the paper's unit.
    """
    a, b = first.cpu().numpy(), second.cpu().numpy()
    to_second = KDTree(b).query(a, p=1)[0].mean()
    to_first = KDTree(a).query(b, p=1)[0].mean()
    return float(to_second + to_first)
