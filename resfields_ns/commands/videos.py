"""`rf-videos`: make a capture of videos by several cameras."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from resfields_ns.commands.command_line import print_training, run_command
from resfields_ns.options import Limits

if TYPE_CHECKING:
    from resfields_ns.captures.video_file import Video
    from resfields_ns.captures.videos.alignment import Clocks
    from resfields_ns.captures.videos.masking import Foreground


def videos(
    videos_folder: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    calibration: Path,
    frames: str = "::",
    size: tuple[int, int] | None = None,
    picture_fit: Literal["automatic", "scaled", "cropped", "padded"] = "automatic",
    offsets: Path | None = None,
    synchronise: bool = False,
    largest_gap_ms: float | None = None,
    metres_per_unit: float = 1.0,
    box: tuple[float, float, float, float, float, float] | None = None,
    depths: tuple[float, float] | None = None,
    masks: Path | None = None,
    plates: Path | None = None,
    plate_threshold: int = 30,
) -> None:
    """Make a capture that the `owlii` dataparser reads of videos, one for each fixed camera.

    Frames are matched by their time stamps, those in `timestamps.csv` beside the videos before those in the files.
    A run that was stopped goes on where it was when it is started again.

    Example: rf-videos recording capture --calibration recording/colmap/sparse/0 --box -1 -1 0 1 1 2

    Args:
        videos_folder: Folder of videos, named as their cameras.
        out: Folder to write, new or empty.
        calibration: File or folder of a calibration: of OpenCV, COLMAP, EasyMocap, Qualisys, anipose, FreeMoCap,
            Pose2Sim, caliscope, nerfstudio or LLFF.
        frames: Frames to use, as start:stop:step, counted from the first moment that all videos show.
        size: Width and height of the capture's images; by default those of each video.
        picture_fit: What was done to pictures that are not of the calibration's size: each side scaled by itself, or
            both scaled alike and then cut about the middle, or given bars at both ends. Automatic: scaled where the
            proportion has stayed, and else padded where the first picture has bars, or cropped, if it is within 1%.
        offsets: JSON file that says where in each video the same moment is: {"cam01": {"frames": 3}}, or seconds.
        synchronise: Find such offsets by the videos' sound, or by the change of their pictures.
        largest_gap_ms: Milliseconds that pictures of one frame may be apart, by default half a frame; frames with
            larger gaps are left out.
        metres_per_unit: Length of one unit of the calibration, such as 0.001 where it counts in millimetres: the
            capture, and with it --box and --depths, is then in metres. Qualisys' millimetres become metres without it.
        box: The scene's box in the capture's units: lower, then upper corner.
        depths: In place of a box: near and far depth of what all cameras see, in the capture's units.
        masks: Folder with a folder of masks for each camera, one for each frame of its video, or some of them, named by
            the frames' numbers.
        plates: Folder with a clean plate for each camera, an image or a video; masks are what differs from it.
        plate_threshold: Difference to the clean plate, of 255, above which a pixel is foreground.
    """
    from resfields_ns.captures.capture_writer import check_unused
    from resfields_ns.captures.spaces import unlikely_lengths
    from resfields_ns.captures.videos.alignment import align_videos
    from resfields_ns.captures.videos.calibration import find_videos, read_calibration
    from resfields_ns.captures.videos.video_conversion import choose_space, convert_videos

    check_unused(out)
    if largest_gap_ms is not None:
        Limits(above=0).check("--largest-gap-ms", largest_gap_ms)
    Limits(above=0).check("--metres-per-unit", metres_per_unit)
    found = find_videos(videos_folder)
    calibrated = read_calibration(calibration, found, picture_fit).scaled(metres_per_unit)
    for video in found.values():
        if video.mode == "RGBA":
            print(f"{video.path}: its alpha channel is laid over white")
    clocks, starts = _time(videos_folder, found, offsets, synchronise)
    where = str(videos_folder) if offsets is None else "--offsets"
    largest_gap = None if largest_gap_ms is None else round(1000 * largest_gap_ms)
    aligned = align_videos(found, clocks, starts, frames, where, largest_gap)
    space = choose_space(calibrated, box, depths)
    for text, factor in unlikely_lengths(list(calibrated.cameras.values()), space.to_world(space.box)).items():
        unit = factor * metres_per_unit
        print(f"{calibration}: {text}: where {factor:g} times as much is right, --metres-per-unit {unit:g} says so")
    sizes = _image_sizes(found, size)
    foregrounds = _foregrounds(found, aligned.frames, masks, plates, plate_threshold)
    convert_videos(out, found, calibrated, aligned, space, sizes, foregrounds, show_progress=True)

    num_frames = len(aligned.matched.largest_gaps)
    pixels = " and ".join(f"{width}x{height}" for width, height in dict.fromkeys(sizes.values()))
    print(f"Wrote {num_frames} frames of {len(found)} cameras, {pixels} pixels, to {out}")
    print(*aligned.report(), sep="\n")
    if offsets is not None or synchronise:
        firsts = ", ".join(f"{name} {chosen[0]}" for name, chosen in aligned.frames.items())
        print(f"They start with the videos' frames {firsts}")
    print_training(out, list(found), "tnerf-resfields")


def _time(
    folder: Path, videos: "dict[str, Video]", offsets: Path | None, synchronise: bool
) -> "tuple[Clocks, dict[str, int] | None]":
    """The videos' clocks and their offsets; None where all were started and stopped together."""
    from resfields_ns.captures.videos.alignment import RECORDED_TIMES_FILE, read_clocks, read_offsets
    from resfields_ns.captures.videos.synchronisation import find_offsets

    if offsets is not None and synchronise:
        raise ValueError("--offsets, --synchronise: expected one of them, found both")
    clocks, is_recorded = read_clocks(folder, videos), (folder / RECORDED_TIMES_FILE).is_file()
    if is_recorded:
        print(f"Times of frames are those of {folder / RECORDED_TIMES_FILE}")
    if offsets is not None:
        return clocks, read_offsets(offsets, videos, clocks)
    if not synchronise:
        return clocks, {} if is_recorded else None
    found = find_offsets(videos, clocks, by_sound=not is_recorded, show_progress=True)
    first, *others = videos
    for name in others:
        print(f"When the clock of {first} shows 0, that of {name} shows {found[name]}")
    return clocks, {name: round(link.offset) for name, link in found.items()}


def _image_sizes(videos: "dict[str, Video]", size: tuple[int, int] | None) -> dict[str, tuple[int, int]]:
    for video in videos.values():
        if size is not None and not (1 <= size[0] <= video.size[0] and 1 <= size[1] <= video.size[1]):
            raise ValueError(
                f"--size: expected 1x1 up to the {video.size[0]}x{video.size[1]} pixels of {video.path}, "
                f"found {size[0]}x{size[1]}"
            )
    return {name: size or video.size for name, video in videos.items()}


def _foregrounds(
    videos: "dict[str, Video]",
    frames: dict[str, list[int]],
    masks: Path | None,
    plates: Path | None,
    plate_threshold: int,
) -> "dict[str, Foreground] | None":
    from resfields_ns.captures.videos.masking import CleanPlate, MaskFolder, find_plate, read_plate

    Limits(least=0, most=254).check("--plate-threshold", plate_threshold)
    if masks is not None and plates is not None:
        raise ValueError("--masks, --plates: expected one of them, found both")
    if masks is not None:
        return {name: MaskFolder(masks / name, video, frames[name]) for name, video in videos.items()}
    if plates is not None:
        paths = {name: find_plate(plates, name, video) for name, video in videos.items()}
        return {name: CleanPlate(read_plate(path), plate_threshold) for name, path in paths.items()}
    return None


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(videos)


if __name__ == "__main__":
    entrypoint()
