"""`rf-kinect`: recordings of Azure Kinect and Orbbec devices into a capture to train on."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command


def kinect(
    out: Annotated[Path, tyro.conf.Positional],
    recordings: tuple[Path, ...],
    rig: Path,
    frames: str = "::",
    largest_gap_ms: float = 17.0,
    box: tuple[float, float, float, float, float, float] | None = None,
    crop: bool = False,
    masks: bool = False,
) -> None:
    """Convert MKV recordings, one of each device, into a capture for the kinect-rgbd dataparser.

    Images are undistorted, depth is what the colour camera would see, and frames are matched over the devices by their
    time stamps. A run that was stopped goes on where it was when it is started again.

    Example: rf-kinect capture --recordings front.mkv left.mkv right.mkv --rig rig.json

    Args:
        out: Folder to write, new or empty.
        recordings: The MKV files; a camera is named as its file.
        rig: JSON file that says where the colour cameras stand: camera_to_world of each camera by its name.
        frames: Frames to convert of those that all devices have, as start:stop:step.
        largest_gap_ms: Milliseconds that images of one frame may be apart; frames with larger gaps are left out.
        box: Box x0 y0 z0 x1 y1 z1, in metres of the world, that holds the subject; written as the scene box.
        crop: Cut the images to what they show of the box.
        masks: Make foreground masks of what lies in the box, by its depth.
    """
    names = [path.stem for path in recordings]
    if not names or len(set(names)) < len(names):
        raise ValueError(f"--recordings: expected one or more files of different names, found {names}")
    import numpy as np  # slow to import, and not needed for --help

    from resfields_ns.captures.kinect.kinect_conversion import convert_recordings
    from resfields_ns.captures.kinect.plan import Request

    request = Request(
        recordings=dict(zip(names, recordings, strict=True)),
        rig=rig,
        frames=frames,
        largest_gap_ms=largest_gap_ms,
        box=None if box is None else np.array(box).reshape(2, 3),
        crop=crop,
        masks=masks,
    )
    plan = convert_recordings(out, request, show_progress=True)
    camera, frame = plan.matched.worst()
    print(f"Wrote {len(plan.matched.largest_gaps)} frames of {len(names)} cameras to {out}")
    print(f"Largest gap in time: {plan.matched.largest_gaps[frame] / 1000:.3f} ms (camera {camera}, frame {frame})")
    if plan.num_unmatched:
        print(f"Left out {plan.num_unmatched} frames that not all devices have within {largest_gap_ms:g} ms")
    if plan.unsynchronised:
        print(f"No device leads by wire and {rig} has no time_offset_us: the devices' clocks may differ")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(kinect)


if __name__ == "__main__":
    entrypoint()
