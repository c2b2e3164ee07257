"""Times, exposure and white balance (one surface looks alike to all cameras), and what training takes of the machine.

Notation: colours v in 0..255 are taken as v = 255 L^(1 / 2.2); a difference of one stop is a factor of two in L.
"""

import re
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from filecmp import cmp
from pathlib import Path

import numpy as np
import psutil
from jaxtyping import Float, Real, UInt8

from resfields_ns.captures.checks.checked_capture import CapturedImage, CheckedCapture, CheckedView, Moment
from resfields_ns.captures.checks.findings import Finding, Limits, judge_cameras, millimetre_limits
from resfields_ns.captures.checks.silhouette_checks import view_pairs
from resfields_ns.captures.large_arrays import LARGEST_IN_MEMORY

_TIMES = "times"
_LARGEST_GAP = 1.5  # of the usual step
_FROZEN = Limits(0.02, 0.5)  # share of a camera's steps without a new image
_FREEZE_ADVICE = "look for dropped frames in this camera's recording, and match frames by time rather than by count"


_ORDER_ADVICE = "name images so that their numbers grow with time, and put takes into folders of their own"
_TELL_TIMES = ("dnerf-capture", "nerfies")  # layouts whose files tell when an image was taken, whatever its name


def check_order(capture: CheckedCapture, moments: list[Moment]) -> Iterator[Finding]:
    """Find images that come after another of their camera with a greater number: time would run back there."""
    del moments
    if capture.dataparser in _TELL_TIMES:
        return
    for name, images in capture.cameras.items():
        numbers = [_last_number(image.file) for image in images]
        back = [place for place in range(1, len(images)) if numbers[place] < numbers[place - 1]]
        if back:
            before, after = images[back[0] - 1].file.name, images[back[0]].file.name
            text = f"{name}: frame numbers step back at {len(back)} places, first from {before} to {after}"
            yield Finding("error", "order of frames", text, _ORDER_ADVICE)


def check_contrast(capture: CheckedCapture, moments: list[Moment]) -> Iterator[Finding]:
    """Find that all pictures that are looked at have one colour, the same in all."""
    del capture
    pictures = [view.image for moment in moments for view in moment.views]
    if all((picture == pictures[0][0, 0]).all() for picture in pictures):
        text = f"all pictures are of one colour, {tuple(pictures[0][0, 0].tolist())}: there is nothing to learn"
        yield Finding("error", "contrast", text, "look at the pictures")


def check_times(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Find gaps between frames, frames that cameras lack, and images that repeat the one before."""
    del moments
    if capture.num_frames == 1:
        return [Finding("info", _TIMES, "one frame: a scene that stands still")]
    findings = [Finding("info", _TIMES, f"{capture.num_frames} frames")]
    findings += _gaps(capture)
    findings += _missing_frames(capture)
    findings += _frozen_cameras(capture)
    return findings


def _gaps(capture: CheckedCapture) -> Iterator[Finding]:
    for name, images in _training_cameras(capture).items():
        numbers = [_file_number(image.file) for image in images]
        yield from _uneven(f"{name}: file numbers", numbers, images)
        yield from _uneven(f"{name}: times, in frames,", [image.frame_position for image in images], images)


def _training_cameras(capture: CheckedCapture) -> dict[str, list[CapturedImage]]:
    return {name: images for name, images in capture.cameras.items() if capture.split(images[0]) == "train"}


def _uneven(what: str, values: Sequence[float], images: list[CapturedImage]) -> Iterator[Finding]:
    steps = np.diff(values)
    if len(steps) == 0 or not (steps > 0.0).all():
        return
    usual, largest = float(np.median(steps)), int(np.argmax(steps))
    if steps[largest] > _LARGEST_GAP * usual:
        count = int((steps > _LARGEST_GAP * usual).sum())
        before, after = images[largest].file.name, images[largest + 1].file.name
        text = f"{what} step by {usual:.4g}, but at {count} places by up to {steps[largest]:.4g} ({before} to {after})"
        advice = "use an even range of frames without the gap: motion across it is learned as a jump"
        yield Finding("warning", _TIMES, text, advice)


def _file_number(path: Path) -> float:
    """The number that a file's name ends in; NaN, which no step is made of, without one."""
    digits = re.search(r"\d+$", path.stem)
    return float("nan") if digits is None else float(digits[0])


def _last_number(path: Path) -> float:
    """The last number in a file's name; NaN, which nothing is less than, without one."""
    digits = re.findall(r"\d+", path.stem)
    return float(digits[-1]) if digits else float("nan")


def _missing_frames(capture: CheckedCapture) -> Iterator[Finding]:
    for name, images in _training_cameras(capture).items():
        missing = set(range(capture.num_frames)) - {image.frame for image in images}
        if missing and len(missing) < capture.num_frames / 2:
            text = f"{name}: lacks {len(missing)} of {capture.num_frames} frames, the first being {min(missing)}"
            yield Finding("warning", _TIMES, text, "use the frames that all cameras have, or look for lost images")


def _frozen_cameras(capture: CheckedCapture) -> Iterator[Finding]:
    """Images with the very bytes of the image before; only files of equal size are opened."""
    for name, images in capture.cameras.items():
        sizes = [image.file.stat().st_size for image in images]
        repeats = [
            position
            for position in range(1, len(images))
            if sizes[position] == sizes[position - 1]
            and cmp(images[position].file, images[position - 1].file, shallow=False)
        ]
        level = _FROZEN.level(len(repeats) / max(len(images) - 1, 1))
        if level != "info":
            text = f"{name}: {len(repeats)} of {len(images)} images repeat the one before"
            text += f", the first being {images[repeats[0]].file.name}"
            yield Finding(level, _TIMES, text, _FREEZE_ADVICE)


_GAMMA = 2.2
_DARKEST, _BRIGHTEST = 8, 247  # values beyond are clipped or noise
_FEWEST_POINTS = 20  # that a pair of cameras shares, over all frames looked at
_ON_SHARED_POINTS = Limits(0.3, 1.5)  # stops; shading that depends on the view stays below
_ON_FOREGROUND = Limits(1.0, 3.0)  # stops; cameras see different sides of the subject
_ADVICE = (
    "lock exposure, gain and white balance of all cameras, match their colours before training, or let training learn "
    "their corrections (--pipeline.model.colour-correction gain); "
    "otherwise they are learned as light that depends on the view; mend what is wrong with the camera's geometry first"
)

Stops = Float[np.ndarray, "3"]


def check_exposure(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Compare colours of points that two cameras see where there is depth, and else how bright the foregrounds are."""
    shared = _on_shared_points(capture, moments)
    if shared:
        worst = {camera: max(abs(_brightness(offset)), _tint(offset)) for camera, offset in shared.items()}
        return _judge(shared, worst, _ON_SHARED_POINTS, "on points that several cameras see")
    foreground = _on_foreground(moments)
    worst = {camera: abs(_brightness(offset)) for camera, offset in foreground.items()}
    return _judge(foreground, worst, _ON_FOREGROUND, "on the foreground as each camera sees it")


def _judge(offsets: dict[str, Stops], judged: dict[str, float], limits: Limits, where: str) -> list[Finding]:
    if len(offsets) < 2:
        return []
    brightness = {camera: _brightness(offset) for camera, offset in offsets.items()}
    tint = {camera: _tint(offset) for camera, offset in offsets.items()}
    return judge_cameras(
        "exposure",
        judged,
        dict.fromkeys(judged, limits),
        describe=lambda camera: (
            f"{camera}: {abs(brightness[camera]):.2f} stops {'brighter' if brightness[camera] > 0 else 'darker'} than "
            f"the others {where}; its colour channels differ by {tint[camera]:.2f} stops"
        ),
        advice=_ADVICE,
        summary=f"cameras differ by at most {max(map(abs, brightness.values())):.2f} stops {where}",
        measured={"exposure, stops": brightness, "tint, stops": tint},
    )


def _brightness(offset: Stops) -> float:
    return float(offset.mean())


def _tint(offset: Stops) -> float:
    """How far a camera's colour channels are from having one offset."""
    return float(np.ptp(offset))


def _on_shared_points(capture: CheckedCapture, moments: list[Moment]) -> dict[str, Stops]:
    """Each camera's offset from the median one, by least squares from the differences of pairs."""
    differences: dict[tuple[str, str], list[Float[np.ndarray, "points 3"]]] = defaultdict(list)
    for view, other in view_pairs(moments):
        if view.depth is not None and other.depth is not None:
            differences[view.camera_name, other.camera_name].append(_differences(capture, view, other))
    medians = {
        pair: np.median(np.concatenate(parts), axis=0)
        for pair, parts in differences.items()
        if sum(map(len, parts)) >= _FEWEST_POINTS
    }
    cameras = sorted({camera for pair in medians for camera in pair})
    if not cameras:
        return {}
    signs = np.array([[(camera == a) - float(camera == b) for camera in cameras] for a, b in medians])
    offsets = np.linalg.lstsq(signs, np.stack(list(medians.values())), rcond=None)[0]
    return dict(zip(cameras, offsets - np.median(offsets, axis=0), strict=True))


def _differences(capture: CheckedCapture, view: CheckedView, other: CheckedView) -> Float[np.ndarray, "points 3"]:
    """In stops, at the depth points of a view that the other one sees at the same depth."""
    points = view.depth_points
    residuals = capture.millimetres_per_unit * np.abs(other.depth_residuals(points))
    points = points[residuals < millimetre_limits(capture, other).warning]
    ours, theirs = (_colours(seer, points) for seer in (view, other))
    usable = np.all([(c >= _DARKEST) & (c <= _BRIGHTEST) for c in (ours, theirs)], axis=(0, 2))
    return _stops(ours[usable]) - _stops(theirs[usable])


def _colours(view: CheckedView, points: Float[np.ndarray, "points 3"]) -> UInt8[np.ndarray, "points 3"]:
    columns, rows = np.floor(view.camera.project(points)[0]).astype(np.int64).T
    return view.image[rows.clip(0, view.height - 1), columns.clip(0, view.width - 1)]


def _stops(colours: Real[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    return _GAMMA * np.log2(colours / 255.0)


def _on_foreground(moments: list[Moment]) -> dict[str, Stops]:
    """Each camera's offset from the median one, of its mean colour where an image is not black."""
    colours: dict[str, list[Stops]] = defaultdict(list)
    for moment in moments:
        for view in moment.views:
            pixels = view.image.reshape(-1, 3) if view.mask is None else view.image[view.mask]
            pixels = pixels[pixels.max(axis=1) >= _DARKEST]
            if len(pixels):
                colours[view.camera_name].append(pixels.mean(axis=0).clip(min=1.0))
    if not colours:
        return {}
    stops = {camera: _stops(np.mean(parts, axis=0)) for camera, parts in colours.items()}
    middle = np.median(list(stops.values()), axis=0)
    return {camera: offset - middle for camera, offset in stops.items()}


_RESOURCES = "memory and disk"
_COLOUR_BYTES, _MASK_BYTES, _DEPTH_BYTES, _FLOAT_BYTES = 3, 1, 2, 4  # per pixel
_PROGRAM_BYTES = 3e9  # nerfstudio, torch and a model beside the images
_MEMORY_LIMITS = {  # by the controllers of control groups, of version 2 (none) and 1: where they lie, and the file
    "": (Path("/sys/fs/cgroup"), "memory.max"),
    "memory": (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
}
_RUN_BYTES = 1e9  # checkpoints, logs and movies of a run


def check_resources(capture: CheckedCapture, moments: list[Moment]) -> list[Finding]:
    """Add up what is held of images, masks and depth, and compare it with what this machine has free.

    Large arrays are mapped from the system's temporary folder, the others lie in memory.
    """
    del moments
    arrays = list(_array_bytes(capture))
    in_memory = _PROGRAM_BYTES + sum(size for size in arrays if size <= LARGEST_IN_MEMORY)
    mapped = sum(size for size in arrays if size > LARGEST_IN_MEMORY)
    files = sum(path.stat().st_size for path in _files(capture))
    text = (
        f"training needs about {_readable(in_memory)} of memory, {_readable(_PROGRAM_BYTES)} of it without images, "
        f"and on disk {_readable(mapped)} for large arrays and about {_readable(_RUN_BYTES)} for a run; the "
        f"capture's files take {_readable(files)}"
    )
    findings = [Finding("info", _RESOURCES, text)]
    temporary, here = Path(tempfile.gettempdir()), Path.cwd()
    for what, needed, free, advice in [
        ("memory", in_memory, _memory_free(), "use fewer --frames or a smaller --image-scale"),
        (f"disk space in {temporary}", mapped, _free(temporary), "free it, or let TMPDIR name a larger disk"),
        (f"disk space in {here}", _RUN_BYTES, _free(here), "free it, or train with another --output-dir"),
    ]:
        if needed > free:
            text = f"training needs about {_readable(needed)} of {what}, and {_readable(free)} are free"
            findings.append(Finding("warning", _RESOURCES, text, advice))
    if mapped and _is_memory(temporary):
        text = f"large arrays ({_readable(mapped)}) would lie in {temporary}, which is memory (tmpfs)"
        findings.append(Finding("warning", _RESOURCES, text, "let TMPDIR name a folder on a disk"))
    return findings


def _array_bytes(capture: CheckedCapture) -> Iterator[int]:
    """Size of each array that the datamanager holds."""
    for split in ("train", "test"):
        images = [image for image in capture.images if capture.split(image) == split]
        if not images:
            continue
        width, height = (max(lengths) for lengths in zip(*(image.camera.size for image in images), strict=True))
        pixels = len(images) * width * height  # smaller images are padded
        yield pixels * _COLOUR_BYTES
        if images[0].mask:
            yield from [pixels * _MASK_BYTES] * 2  # the foreground and the background around it
        if images[0].depth:
            yield pixels * (_FLOAT_BYTES if capture.train.holds_floats else _DEPTH_BYTES)


def _files(capture: CheckedCapture) -> list[Path]:
    files = {path for image in capture.images for path in (image.file, image.mask, image.depth)}
    return [path for path in files | set(capture.train.clouds or []) if path is not None]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _memory_free() -> int:
    """What the system has free, or less where a control group of SLURM or of a container limits this process."""
    free = psutil.virtual_memory().available
    table = Path("/proc/self/cgroup")
    for line in table.read_text().splitlines() if table.is_file() else ():
        _, controllers, group = line.split(":", 2)
        if controllers in _MEMORY_LIMITS:
            root, name = _MEMORY_LIMITS[controllers]
            folder = root / group.lstrip("/")
            for path in (each / name for each in (folder, *folder.parents) if each.is_relative_to(root)):
                limit = path.read_text().strip() if path.is_file() else "max"
                free = free if limit == "max" else min(free, int(limit))
    return free


def _is_memory(folder: Path) -> bool:
    """Whether a folder's files are kept in memory."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[path] for path in (folder, *folder.parents) if path in mounts), "") == "tmpfs"


def _readable(size: float | int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
