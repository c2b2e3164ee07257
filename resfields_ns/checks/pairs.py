"""Which of several cameras is wrong, told by how well each agrees with the others."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median, median_low

from resfields_ns.checks.checked_view import CheckedView
from resfields_ns.checks.sampled_moments import Moment

_MOST_PARTNERS = 8


def view_pairs(moments: list[Moment]) -> Iterator[tuple[CheckedView, CheckedView]]:
    """Pairs of different views of one frame; among many cameras, each has only so many partners, spread evenly."""
    for moment in moments:
        count = len(moment.views)
        stride = max(1, (count - 1) // _MOST_PARTNERS)
        for position, view in enumerate(moment.views):
            for offset in range(1, count, stride):
                yield view, moment.views[(position + offset) % count]


def disagreement(measurements: Iterable[tuple[str, str, float]]) -> dict[str, float]:
    """How far each camera is from agreeing with at least half of its partners.

    A measurement (camera, partner, error) may come once for every frame and for both orders of the two; the error of
    a pair is the median over frames, of the worse order. One camera that is wrong disagrees with all of its partners,
    while the others still have one another.
    """
    by_order: dict[tuple[str, str], list[float]] = defaultdict(list)
    for camera, partner, error in measurements:
        by_order[camera, partner].append(error)
    by_pair: dict[frozenset[str], float] = {}
    for order, errors in by_order.items():
        pair = frozenset(order)
        by_pair[pair] = max(by_pair.get(pair, 0.0), median(errors))
    by_camera: dict[str, list[float]] = defaultdict(list)
    for pair, error in by_pair.items():
        for camera in pair:
            by_camera[camera].append(error)
    return {camera: median_low(errors) for camera, errors in by_camera.items()}
