"""Masks: by themselves, against one another by their outlines in pixels, and against clouds.

Notation: the extent of a set of pixels along a unit direction d is the largest x . d over the set; the extents along
all directions are the outline of its convex hull.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from statistics import median, median_low

import numpy as np
from jaxtyping import Bool, Float

from resfields_ns.captures.checks.checked_capture import CheckedCapture, CheckedView, Moment, read_view
from resfields_ns.captures.checks.findings import Finding, judge_cameras, pixel_limits
from resfields_ns.captures.sequence import CapturedImage

_NUM_DIRECTIONS = 36
_ANGLES = 2.0 * np.pi * np.arange(_NUM_DIRECTIONS) / _NUM_DIRECTIONS
_DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)])


def extents(pixels: Float[np.ndarray, "pixels 2"]) -> Float[np.ndarray, "36"]:
    """Extents of points in the image."""
    return (pixels @ _DIRECTIONS).max(axis=0)


def mask_extents(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "36"]:
    """Extents of a mask that is not empty; its outline runs, on average, half a pixel beyond the outermost centres."""
    return extents(_row_ends(mask)) + 0.5


def outermost_pixels(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "36 2"]:
    """Centres of the mask's pixels that reach farthest along each direction."""
    ends = _row_ends(mask)
    return ends[(ends @ _DIRECTIONS).argmax(axis=0)]


def reach_beyond(pixels: Float[np.ndarray, "pixels 2"], mask: Bool[np.ndarray, "height width"]) -> float:
    """How many pixels the points' outline lies outside that of the mask, in all but 5 % of the directions."""
    return float(np.percentile((extents(pixels) - mask_extents(mask)).clip(min=0.0), 95))


def _row_ends(mask: Bool[np.ndarray, "height width"]) -> Float[np.ndarray, "pixels 2"]:
    """Centres of the first and the last pixel of each row; the convex hull of these is that of the mask."""
    rows = np.nonzero(mask.any(axis=1))[0]
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    return np.stack([np.concatenate([first, last]), np.concatenate([rows, rows])], axis=-1) + 0.5


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


_CHECK = "foreground"
_LEAST_SHARE = 0.002  # of the image
_LARGEST_SHARE = 0.9  # of the image
_LEAST_OF_USUAL = 0.2  # of the camera's usual share
_LEAST_OF_OTHERS = 0.1  # of what is usual among the cameras
_FOREGROUND_ADVICE = (
    "look at the masks: threshold (--mask-threshold), inverted values, a segmentation that lost the subject"
)

_EMPTY_ADVICE = (
    "make these masks again if the subject is in sight; until then this camera is left out of these frames in training"
)


def check_foreground(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Check the foreground's share, in the frames looked at and in the smallest mask file of each camera.

    A mask that lost its subject compresses better than the others.
    """
    masks: dict[str, list[tuple[CapturedImage, float]]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            if view.mask is not None:
                masks[view.camera_name].append((view.source, float(view.mask.mean())))
    if not masks:
        text = "no masks: the background is learned along with the subject"
        return [Finding("info", _CHECK, text)]
    usual = {camera: float(np.median([share for _, share in shares])) for camera, shares in masks.items()}
    percent = {camera: 100.0 * share for camera, share in usual.items()}
    text = f"the foreground covers {min(percent.values()):.1f} to {max(percent.values()):.1f} % of the cameras' images"
    findings = [Finding("info", _CHECK, text, measured={"foreground, %": percent})]
    among_cameras = float(np.median(list(usual.values())))
    findings += _empty_masks(capture)
    for camera, shares in masks.items():
        if usual[camera] < max(_LEAST_SHARE, _LEAST_OF_OTHERS * among_cameras):
            text = f"{camera}: masks call {percent[camera]:.2f} % of the image foreground"
            text += f", where {100.0 * among_cameras:.1f} % is usual among the cameras"
            findings.append(Finding("error", _CHECK, text, _FOREGROUND_ADVICE))
        elif usual[camera] > _LARGEST_SHARE:
            text = f"{camera}: masks call {percent[camera]:.0f} % of the image foreground"
            findings.append(Finding("warning", _CHECK, text, _FOREGROUND_ADVICE))
        else:
            findings += _lost(capture, camera, shares)
    return findings


def _empty_masks(capture: CheckedCapture) -> Iterator[Finding]:
    """Masks without any foreground in frames in which other masks of the capture have some; all of them are found.

    They are the smallest files of a camera, so that only one more is opened.
    """
    for camera, images in capture.cameras.items():
        empty: list[CapturedImage] = []
        for image in sorted(images, key=lambda image: image.mask.stat().st_size if image.mask else 0):
            if image.mask is None or not _is_empty(capture, image):
                break
            empty.append(image)
        if 0 < len(empty) < len(images):
            empty.sort(key=lambda image: image.frame_position)
            numbers = [str(capture.train.frames.numbers[image.frame]) for image in empty]
            frames = f"frames {', '.join(numbers)}" if len(numbers) > 1 else f"frame {numbers[0]}"
            text = f"{camera}: the mask of {frames} is empty ({empty[0].mask})"
            yield Finding("warning", _CHECK, text, _EMPTY_ADVICE)


def _is_empty(capture: CheckedCapture, image: CapturedImage) -> bool:
    try:
        return not capture.train.foreground(image).any()
    except (OSError, SyntaxError, ValueError):  # told of by `_lost`
        return False


def _lost(capture: CheckedCapture, camera: str, shares: list[tuple[CapturedImage, float]]) -> Iterator[Finding]:
    """A camera's mask with far less foreground than the others, where there is one."""
    usual = float(np.median([share for _, share in shares]))
    try:
        shares = [*shares, _smallest_mask(capture, camera)]
    except ValueError as error:
        yield Finding("error", _CHECK, str(error), "write these files anew")
    image, share = min(shares, key=lambda pair: pair[1])
    if 0.0 < share < _LEAST_OF_USUAL * usual:
        text = f"{camera}: {image.mask} calls {100.0 * share:.2f} % of the image foreground"
        text += f", where {100.0 * usual:.1f} % is usual"
        yield Finding("warning", _CHECK, text, _FOREGROUND_ADVICE)


def _smallest_mask(capture: CheckedCapture, camera: str) -> tuple[CapturedImage, float]:
    sizes = [(image.mask.stat().st_size, image) for image in capture.cameras[camera] if image.mask]
    smallest = min(sizes, key=lambda size: size[0])[1]
    mask = read_view(capture, smallest).mask
    assert mask is not None
    return smallest, float(mask.mean())


_SILHOUETTE_ADVICE = (
    "check this camera's extrinsics, intrinsics and time offset, and look at its masks for specks and missing parts"
)
_RAY_SAMPLES = 512


def check_silhouettes(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """How many pixels rays through the outermost foreground pixels of a camera miss the foreground of another by.

    Silhouettes of one shape touch the same epipolar lines (Wong and Cipolla 2001).
    """
    measurements = list(_measurements(capture, moments))
    if not measurements:
        return []
    error = disagreement(measurements)
    return judge_cameras(
        "silhouettes",
        error,
        {camera: pixel_limits(capture, camera) for camera in error},
        describe=lambda camera: (
            f"{camera}: with at least half of the other cameras, the outlines of the masks miss each other by "
            f"{error[camera]:.1f} pixels or more"
        ),
        advice=_SILHOUETTE_ADVICE,
        summary=f"outlines of different cameras' masks meet within {max(error.values()):.1f} pixels",
        measured={"silhouettes, px": error},
    )


def _measurements(capture: CheckedCapture, moments: list[Moment]) -> Iterator[tuple[str, str, float]]:
    centre, reach = capture.box.mean(axis=0), np.linalg.norm(capture.box[1] - capture.box[0]) / 2
    for view, other in view_pairs(moments):
        if view.mask is None or other.mask is None or not view.mask.any() or not other.mask.any():
            continue
        origin, directions = view.camera.rays(outermost_pixels(view.mask))
        middle = float(view.distances_to(centre[None])[0])
        samples = np.linspace(max(middle - reach, 0.0), middle + reach, _RAY_SAMPLES)
        missed = _missed_by(other, origin + samples[:, None] * directions[:, None])
        if not np.isnan(missed).all():
            yield view.camera_name, other.camera_name, float(np.nanpercentile(missed, 95))


def _missed_by(view: CheckedView, points: Float[np.ndarray, "rays samples 3"]) -> Float[np.ndarray, "rays"]:
    """Smallest distance of each ray's points to the view's foreground in pixels; NaN for rays out of its sight."""
    pixels, visible = view.camera.project(points.reshape(-1, 3))
    distances = np.full(len(pixels), np.inf)
    distances[visible] = view.distances_to_foreground(pixels[visible])
    smallest = distances.reshape(points.shape[:2]).min(axis=1)
    return np.where(np.isinf(smallest), np.nan, smallest)


_CLOUD_ADVICE = (
    "check this camera's intrinsics (image size, principal point), extrinsics and time offset; if all cameras are off "
    "alike, check that clouds and cameras share one space and one frame numbering"
)
_FEWEST_POINTS = 100


def check_clouds(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Compare the projected clouds with the masks of every camera."""
    distances: dict[str, list[float]] = defaultdict(list)
    outlines: dict[str, list[float]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            if moment.cloud is None or view.mask is None or not view.mask.any():
                continue
            pixels, visible = view.camera.project(moment.cloud)
            if visible.sum() >= _FEWEST_POINTS:
                distances[view.camera_name].extend(view.distances_to_foreground(pixels[visible]))
                outlines[view.camera_name].append(_outline_error(pixels[visible], view))
    if not outlines:
        return []
    outline = {camera: float(np.median(errors)) for camera, errors in outlines.items()}
    median = {camera: float(np.median(outside)) for camera, outside in distances.items()}
    tail = {camera: float(np.percentile(outside, 95)) for camera, outside in distances.items()}
    return judge_cameras(
        "clouds",
        outline,
        {camera: pixel_limits(capture, camera) for camera in outline},
        describe=lambda camera: (
            f"{camera}: outlines of cloud and mask are {outline[camera]:.1f} pixels apart; points lie "
            f"{median[camera]:.1f} (median) and {tail[camera]:.1f} (95 %) pixels outside the mask"
        ),
        advice=_CLOUD_ADVICE,
        summary=f"outlines of clouds and masks are at most {max(outline.values()):.1f} pixels apart",
        measured={
            "cloud outline, px": outline,
            "cloud outside mask, median, px": median,
            "cloud outside mask, 95 %, px": tail,
        },
    )


def _outline_error(pixels: Float[np.ndarray, "points 2"], view: CheckedView) -> float:
    """How far the points reach beyond the mask, or fall short of it by more than their spacing explains."""
    assert view.mask is not None
    spacing = np.sqrt(view.mask.sum() / len(pixels))
    short = np.median((mask_extents(view.mask) - extents(pixels)).clip(min=0.0))
    return float(max(reach_beyond(pixels, view.mask), short - 2.0 * spacing))
