"""`rf-videos`: make a capture of synchronised videos."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from resfields_ns.commands.command_line import print_training, run_command
from resfields_ns.options import Limits

if TYPE_CHECKING:
    from resfields_ns.captures.video_file import Video
    from resfields_ns.captures.videos.masking import Foreground


def videos(
    videos_folder: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    calibration: Path,
    frames: str = "::",
    size: tuple[int, int] | None = None,
    offsets: Path | None = None,
    box: tuple[float, float, float, float, float, float] | None = None,
    depths: tuple[float, float] | None = None,
    masks: Path | None = None,
    plates: Path | None = None,
    plate_threshold: int = 30,
) -> None:
    """Make a capture that the `owlii` dataparser reads of synchronised videos, one for each fixed camera.

    A run that was stopped goes on where it was when it is started again.

    Example: rf-videos recording capture --calibration recording/colmap/sparse/0 --box -1 -1 0 1 1 2

    Args:
        videos_folder: Folder of videos, named as their cameras.
        out: Folder to write, new or empty.
        calibration: File or folder of a calibration: of OpenCV, COLMAP, EasyMocap, Qualisys, anipose, FreeMoCap,
            Pose2Sim, caliscope, nerfstudio or LLFF.
        frames: Frames to use, as start:stop:step, counted from the first moment that all videos show.
        size: Width and height of the capture's images; by default those of the videos.
        offsets: JSON file that says where in each video the same moment is: {"cam01": {"frames": 3}}, or seconds.
        box: The scene's box in the calibration's units: lower, then upper corner.
        depths: In place of a box: near and far depth of what all cameras see, in the calibration's units.
        masks: Folder with a folder of masks for each camera, one for each frame of its video.
        plates: Folder with a clean plate for each camera, an image or a video; masks are what differs from it.
        plate_threshold: Difference to the clean plate, of 255, above which a pixel is foreground.
    """
    from resfields_ns.captures.capture_writer import check_unused
    from resfields_ns.captures.videos.alignment import align_videos, align_videos_by_offsets, read_offsets
    from resfields_ns.captures.videos.calibration import find_videos, read_calibration
    from resfields_ns.captures.videos.video_conversion import choose_space, convert_videos

    check_unused(out)
    found = find_videos(videos_folder)
    calibrated = read_calibration(calibration, found)
    if offsets is None:
        aligned = align_videos(found, frames)
    else:
        aligned = align_videos_by_offsets(found, read_offsets(offsets, found), frames)
    space = choose_space(calibrated, box, depths)
    image_size = _image_size(found, size)
    foregrounds = _foregrounds(found, aligned, masks, plates, plate_threshold)
    convert_videos(out, found, calibrated, aligned, space, image_size, foregrounds, show_progress=True)

    num_frames = len(next(iter(aligned.values())))
    print(f"Wrote {num_frames} frames of {len(found)} cameras, {image_size[0]}x{image_size[1]} pixels, to {out}")
    if offsets is not None:
        starts = ", ".join(f"{name} {chosen[0]}" for name, chosen in aligned.items())
        print(f"They start with the videos' frames {starts}")
    print_training(out, list(found), "tnerf-resfields")


def _image_size(videos: "dict[str, Video]", size: tuple[int, int] | None) -> tuple[int, int]:
    from resfields_ns.captures.image_files import check_size

    first = next(iter(videos.values()))
    for video in videos.values():
        if size is None:
            check_size(video.path, video.size, first.size, f"{first.path.name} (--size makes them equal)")
        elif not (1 <= size[0] <= video.size[0] and 1 <= size[1] <= video.size[1]):
            raise ValueError(
                f"--size: expected 1x1 up to the {video.size[0]}x{video.size[1]} pixels of {video.path}, "
                f"found {size[0]}x{size[1]}"
            )
    return size or first.size


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
