"""Masks of one moment mended over views: each against the visual hull of the others (Laurentini 1994).

Notation: a pixel is supported by the other cameras if some point of its ray in the box is seen by two of them, or by
one where no two look at the ray, and lies on the foreground of a share of those that see it: of all, or of most. (One
alone sees the subject behind whatever is close before it.) A camera without any foreground has lost the subject, and
has no say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, UInt8

from resfields_ns.captures.camera import Camera

_RAY_SAMPLES = 128
_LONGER_SIDE = 480  # of the grid of pixels that are asked about
_CHUNK = 4096  # rays
_BAND = 0.004  # half of the width in which edges move, of the picture's longer side
_LEAST_BAND = 2  # pixels
_WITNESSES = 2
_MAJORITY = 0.6  # 2 of 2, 2 of 3, 3 of 4: one mask that has lost a part does not take it from the others
_ROUNDS = 3  # of GrabCut


@dataclass(frozen=True)
class View:
    """A camera and its foreground."""

    camera: Camera
    mask: Bool[np.ndarray, "height width"]


def mend_over_views(
    views: Sequence[View], box: Float64[np.ndarray, "2 3"], tolerance: float
) -> list[Bool[np.ndarray, "height width"]]:
    """Fill holes that all other cameras call foreground, then take away what most of them see as background.

    Args:
        views: of one moment
        box: lower and upper corner of the scene, in the cameras' space; what lies outside goes
        tolerance: pixels by which masks and cameras may be wrong
    """
    for mend in (_fill, _keep, _fill):  # what is filled at last cannot go again: it has better support than needed
        views = _until_it_stays(mend, views, box, tolerance)
    return [view.mask for view in views]


def follow_edges(
    mask: Bool[np.ndarray, "height width"], picture: UInt8[np.ndarray, "height width 3"]
) -> Bool[np.ndarray, "height width"]:
    """Move the mask's edge to that of the picture, within a band around it (GrabCut: Rother et al. 2004)."""
    reach = max(_LEAST_BAND, round(_BAND * max(mask.shape)))
    inside, outside = _distances(~mask) > reach, _distances(mask) > reach
    if not inside.any() or not outside.any():
        return mask
    labels = np.where(mask, np.uint8(cv2.GC_PR_FGD), np.uint8(cv2.GC_PR_BGD))
    labels[inside], labels[outside] = cv2.GC_FGD, cv2.GC_BGD
    x, y, w, h = cv2.boundingRect(mask.astype(np.uint8))
    margin = 4 * reach
    window = np.s_[max(0, y - margin) : y + h + margin, max(0, x - margin) : x + w + margin]
    part = np.ascontiguousarray(labels[window])
    if not (part == cv2.GC_BGD).any():
        return mask
    cv2.setRNGSeed(0)
    empty = (np.zeros((1, 65)), np.zeros((1, 65)))
    unused = (0, 0, 1, 1)
    cv2.grabCut(np.ascontiguousarray(picture[window]), part, unused, *empty, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    followed = mask.copy()
    followed[window] = (part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD)
    return followed


def _until_it_stays(
    mend: Callable[..., Bool[np.ndarray, "height width"]],
    views: Sequence[View],
    box: Float64[np.ndarray, "2 3"],
    tolerance: float,
) -> Sequence[View]:
    while True:
        mended = [View(view.camera, mend(view, _others(views, view), box, tolerance)) for view in views]
        if all((old.mask == new.mask).all() for old, new in zip(views, mended, strict=True)):
            return views
        views = mended


def _others(views: Sequence[View], view: View) -> list[View]:
    return [other for other in views if other is not view and other.mask.any()]


def _fill(
    view: View, others: list[View], box: Float64[np.ndarray, "2 3"], tolerance: float
) -> Bool[np.ndarray, "height width"]:
    """With those enclosed regions of background of which every pixel is supported well within the others' masks."""
    count, labels = cv2.connectedComponents((~view.mask).astype(np.uint8), connectivity=4)
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    is_hole = np.ones(count, dtype=bool)
    is_hole[np.append(border, 0)] = False
    holes = is_hole[labels]
    if not holes.any() or not others:
        return view.mask
    supported = _supported(
        view.camera, holes, [_distances(~other.mask) > tolerance for other in others], others, box, 1.0
    )
    is_hole[np.unique(labels[holes & ~supported])] = False
    return view.mask | is_hole[labels]


def _keep(
    view: View, others: list[View], box: Float64[np.ndarray, "2 3"], tolerance: float
) -> Bool[np.ndarray, "height width"]:
    if not others:
        return view.mask
    return _supported(
        view.camera, view.mask, [_distances(other.mask) <= tolerance for other in others], others, box, _MAJORITY
    )


def _distances(mask: Bool[np.ndarray, "height width"]) -> Float32[np.ndarray, "height width"]:
    """Distance of each pixel to the mask, 0 on it; infinite to one that is empty."""
    if not mask.any():
        return np.full(mask.shape, np.inf, dtype=np.float32)
    return cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)


def _supported(
    camera: Camera,
    asked: Bool[np.ndarray, "height width"],
    foregrounds: list[Bool[np.ndarray, "_ _"]],
    others: list[View],
    box: Float64[np.ndarray, "2 3"],
    share: float,
) -> Bool[np.ndarray, "height width"]:
    """Which of the asked pixels are supported; in large pictures those of a block are asked by its middle."""
    block = -(-max(asked.shape) // _LONGER_SIDE)
    rows, columns = np.nonzero(asked)
    blocks, block_of = np.unique(np.stack([columns // block, rows // block], axis=-1), axis=0, return_inverse=True)
    pixels = (blocks + 0.5) * block
    answers = [
        _supported_rays(camera, pixels[start : start + _CHUNK], foregrounds, others, box, share)
        for start in range(0, len(pixels), _CHUNK)
    ]
    supported = np.zeros_like(asked)
    if answers:
        supported[rows, columns] = np.concatenate(answers)[block_of.reshape(-1)]
    return supported


def _supported_rays(
    camera: Camera,
    pixels: Float64[np.ndarray, "rays 2"],
    foregrounds: list[Bool[np.ndarray, "_ _"]],
    others: list[View],
    box: Float64[np.ndarray, "2 3"],
    share: float,
) -> Bool[np.ndarray, "rays"]:
    origin, directions = camera.rays(pixels)
    with np.errstate(divide="ignore", invalid="ignore"):
        crossings = (box[:, None] - origin) / directions
    near = np.nanmax(crossings.min(axis=0), axis=-1).clip(min=0.0)
    far = np.nanmin(crossings.max(axis=0), axis=-1)
    shares = (np.arange(_RAY_SAMPLES) + 0.5) / _RAY_SAMPLES
    lengths = near[:, None] + (far - near)[:, None] * shares
    points = (origin + lengths[..., None] * directions[:, None]).reshape(-1, 3)
    witnesses, agreeing = np.zeros(len(points), dtype=np.int64), np.zeros(len(points), dtype=np.int64)
    for other, foreground in zip(others, foregrounds, strict=True):
        seen_at, seen = other.camera.project(points)
        columns, rows = seen_at[seen].astype(np.int64).T
        witnesses += seen
        agreeing[seen] += foreground[rows, columns]
    witnesses, agreeing = witnesses.reshape(len(pixels), -1), agreeing.reshape(len(pixels), -1)
    needed = witnesses.max(axis=-1, keepdims=True).clip(1, _WITNESSES)
    return (near < far) & ((agreeing >= share * witnesses) & (witnesses >= needed)).any(axis=-1)
