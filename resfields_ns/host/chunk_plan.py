"""Chunks of a capture's frames, each the run of a process of its own."""

from collections.abc import Sequence as Many
from copy import deepcopy
from dataclasses import dataclass

import tyro
from nerfstudio.configs.method_configs import AnnotatedBaseConfigUnion
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig

from resfields_ns.host.checkpoints import list_checkpoints, load_checkpoint, newest_intact, release_run
from resfields_ns.host.config_file import read_config
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.joined_run import frames_and_model
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.options import as_typed, dashed, settings
from resfields_ns.timeline import split_frames


@dataclass(frozen=True)
class ChunkPlan:
    """A run to be trained.

    Args:
        config: of the run, in a folder that is named by the frames
    """

    config: ResFieldsTrainerConfig

    @property
    def has_begun(self) -> bool:
        """Whether the run has something to go on from."""
        return bool(list_checkpoints(self.config.get_checkpoint_dir()))

    @property
    def is_finished(self) -> bool:
        """Whether the run is at its end."""
        if not self.has_begun:
            return False
        state = load_checkpoint(newest_intact(self.config.get_checkpoint_dir(), str(self.config.get_base_dir())))
        return state["step"] + 1 >= state["total_steps"]

    def prepare(self) -> None:
        """Write the config.yml of a run that has not begun.

        Raises ValueError if it has begun with other options, or another process trains it.
        """
        run = self.config.get_base_dir()
        if not self.has_begun:
            self.config.save_config()
            release_run(run)
            return
        for setting in settings(self.config, read_config(run / "config.yml", str(run))):
            if setting.changed:
                raise ValueError(
                    f"--{dashed(setting.path)}: expected {as_typed(setting.preset)}, with which {run} has begun, got "
                    f"{as_typed(setting.value)}: give another --experiment-name"
                )


def plan_chunks(arguments: Many[str], count: int) -> list[ChunkPlan]:
    """Runs on chunks of the frames that arguments of `ns-train` choose; the data are read, but for pictures.

    Raises ValueError for arguments that chunks cannot have, and for too few frames.
    """
    config = tyro.cli(AnnotatedBaseConfigUnion, prog="ns-train", args=list(arguments))
    frames, _ = frames_and_model(config, "METHOD")
    datamanager = config.pipeline.datamanager
    assert isinstance(config, ResFieldsTrainerConfig) and isinstance(datamanager, VanillaDataManagerConfig)
    if config.load_config is not None:
        raise ValueError(f"--load-config: expected options of ns-train in its place, got {config.load_config}")
    if config.timestamp != "{timestamp}":
        raise ValueError(
            f"--timestamp: expected none, as runs of chunks are named by their frames, got {config.timestamp}: "
            "--experiment-name tells them from others"
        )
    dataparser = deepcopy(datamanager.dataparser)
    if (data := config.data or datamanager.data) is not None:
        config.data, datamanager.data = None, data
        dataparser.data = data
    num_frames = sequence_of(dataparser.setup().get_dataparser_outputs("train")).num_frames
    if not 2 <= count <= num_frames // 2:
        raise ValueError(f"--chunks: expected 2 or more, of 2 or more of the {num_frames} frames each, got {count}")
    if config.vis == "viewer+tensorboard":
        config.vis = "tensorboard"
    return [ChunkPlan(_of_frames(config, chunk)) for chunk in split_frames(frames.frames, num_frames, count)]


def _of_frames(config: ResFieldsTrainerConfig, frames: str) -> ResFieldsTrainerConfig:
    chunk = deepcopy(config)
    frames_and_model(chunk, "METHOD")[0].frames = frames
    chunk.timestamp = "frames-" + frames.replace(":", "-")
    return chunk
