"""What training takes of memory and disk."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from resfields_ns.checks.capture import Capture
from resfields_ns.checks.finding import Finding
from resfields_ns.checks.sampled_moments import Moment
from resfields_ns.data.large_arrays import LARGEST_IN_MEMORY

_CHECK = "memory and disk"
_COLOUR_BYTES, _MASK_BYTES, _DEPTH_BYTES = 3, 1, 2  # per pixel
_PROGRAM_BYTES = 3e9  # nerfstudio, torch and a model beside the images
_RUN_BYTES = 1e9  # checkpoints, logs and movies of a run


def check_resources(capture: Capture, moments: list[Moment]) -> list[Finding]:
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
    findings = [Finding("info", _CHECK, text)]
    temporary, here = Path(tempfile.gettempdir()), Path.cwd()
    for what, needed, free, advice in [
        ("memory", in_memory, psutil.virtual_memory().available, "use fewer --frames or a smaller --image-scale"),
        (f"disk space in {temporary}", mapped, _free(temporary), "free it, or let TMPDIR name a larger disk"),
        (f"disk space in {here}", _RUN_BYTES, _free(here), "free it, or train with another --output-dir"),
    ]:
        if needed > free:
            text = f"training needs about {_readable(needed)} of {what}, and {_readable(free)} are free"
            findings.append(Finding("warning", _CHECK, text, advice))
    if mapped and _is_memory(temporary):
        text = f"large arrays ({_readable(mapped)}) would lie in {temporary}, which is memory (tmpfs)"
        findings.append(Finding("warning", _CHECK, text, "let TMPDIR name a folder on a disk"))
    return findings


def _array_bytes(capture: Capture) -> Iterator[int]:
    """Size of each array that the datamanager holds."""
    for split in {image.split for image in capture.images}:
        images = [image for image in capture.images if image.split == split]
        pixels = sum(image.size[0] * image.size[1] for image in images)
        yield pixels * _COLOUR_BYTES
        if images[0].mask_path:
            yield from [pixels * _MASK_BYTES] * 2  # the foreground and the background around it
        if images[0].depth_path:
            yield pixels * _DEPTH_BYTES


def _files(capture: Capture) -> list[Path]:
    files = {path for image in capture.images for path in (image.path, image.mask_path, image.depth_path)}
    return [path for path in files | set(capture.cloud_filenames or []) if path is not None]


def _free(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def _is_memory(folder: Path) -> bool:
    """Whether a folder's files are kept in memory."""
    mounts = {Path(mount.mountpoint): mount.fstype for mount in psutil.disk_partitions(all=True)}
    return next((mounts[path] for path in (folder, *folder.parents) if path in mounts), "") == "tmpfs"


def _readable(size: float | int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
