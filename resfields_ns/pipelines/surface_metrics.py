"""How near two surfaces are to each other, by points on them.

Notation: points of a surface with unit normals; the nearest point of the other surface is its match.
"""

import numpy as np
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


F_SCORE_THRESHOLD = 0.01  # in units of the box [-1, 1]^3


def surface_metrics(
    points: Float[np.ndarray, "n 3"],
    normals: Float[np.ndarray, "n 3"],
    true_points: Float[np.ndarray, "m 3"],
    true_normals: Float[np.ndarray, "m 3"],
) -> dict[str, float]:
    """Chamfer L1 x 1000, normal distance x 100 (paper, Table 2) and F-score of a surface against the true one.

    The first two are sums over both directions of means over points, with matches by L1, as in the released code: the
    L1 distance to the match, and one minus the absolute cosine between the normals. The F-score (Knapitsch et al. 2017)
    is the harmonic mean of the shares of points of either surface whose match is within 0.01.
    """
    to_truth, to_surface = KDTree(true_points), KDTree(points)
    distances, matches = to_truth.query(points, p=1)
    true_distances, true_matches = to_surface.query(true_points, p=1)
    precision, recall = _share_near(points, to_truth), _share_near(true_points, to_surface)
    return {
        "chamfer_l1_x1000": 1000.0 * float(distances.mean() + true_distances.mean()),
        "normal_distance_x100": 100.0
        * (_mean_turn(normals, true_normals[matches]) + _mean_turn(true_normals, normals[true_matches])),
        "f_score": 2.0 * precision * recall / max(precision + recall, 1e-12),
    }


def _share_near(points: Float[np.ndarray, "n 3"], others: KDTree) -> float:
    return float(np.isfinite(others.query(points, distance_upper_bound=F_SCORE_THRESHOLD)[0]).mean())


def _mean_turn(first: Float[np.ndarray, "n 3"], second: Float[np.ndarray, "n 3"]) -> float:
    return float((1.0 - np.abs(np.einsum("ni,ni->n", first, second))).mean())
