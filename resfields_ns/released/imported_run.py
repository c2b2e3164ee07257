"""Runs made from checkpoints of the authors' released code."""

from pathlib import Path

from resfields_ns.released.released_dynamic import import_dynamic_run
from resfields_ns.released.released_run import ImportedRun, read_released_checkpoint
from resfields_ns.released.released_siren import import_sdf_run, import_video_run, is_sdf, is_video


def import_run(checkpoint: Path, data: Path, output_dir: Path, frames: str) -> ImportedRun:
    """Write the folder of a run with the parameters of a released checkpoint, to be looked at and evaluated.

    Args:
        checkpoint: the Lightning checkpoint
        data: the capture, video or mesh sequence that it was trained on
        output_dir: where runs lie
        frames: frames of the data that it was trained on, as start:stop:step

    Raises ValueError, before anything is written, if the checkpoint is not wholly understood or the data are others.
    """
    released = read_released_checkpoint(checkpoint)
    if is_video(released.tensors):
        return import_video_run(released, data, output_dir, frames)
    if is_sdf(released.tensors):
        return import_sdf_run(released, data, output_dir, frames)
    return import_dynamic_run(released, data, output_dir, frames)
