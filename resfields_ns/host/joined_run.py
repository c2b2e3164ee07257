"""Runs of one method on chunks of a capture's frames, made one run."""

from collections.abc import Sequence as Many
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManager, VanillaDataManagerConfig
from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.pipelines.base_pipeline import Pipeline
from torch import Tensor

from resfields_ns.captures.sequence import Sequence
from resfields_ns.files import write_aside
from resfields_ns.host.checkpoints import checkpoint_of, load_checkpoint
from resfields_ns.host.config_file import read_config
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.old_runs import CHUNKS, renewed_state
from resfields_ns.host.run_file import write_run_folder
from resfields_ns.host.run_record import RECORD, RecordedSequenceConfig, record_run
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.options import as_typed, dashed, settings
from resfields_ns.timeline import first_frame, join_frames

_MODEL = "_model."
_SAME_SPACE = 1e-6  # of the size of the scene box


@runtime_checkable
class ChoosesFrames(Protocol):
    """The config of a dataparser that reads some of the frames of its data."""

    data: Path
    frames: str


@runtime_checkable
class JoinsChunks(Protocol):
    """The config of a model that can hold those of chunks, see `DynamicModelConfig`."""

    joined: tuple[int, ...]


@dataclass(frozen=True)
class _Chunk:
    """A run on some frames of a capture.

    Args:
        run: its folder
        config: of the run, its data found
        dataparser: its config
        model: its config
        sequence: what it was trained on, as it recorded it
        step: its last one
    """

    run: Path
    config: ResFieldsTrainerConfig
    dataparser: ChoosesFrames
    model: JoinsChunks
    sequence: Sequence
    step: int

    @property
    def data(self) -> Path:
        """Where the capture lies."""
        datamanager = self.config.pipeline.datamanager
        assert isinstance(datamanager, VanillaDataManagerConfig) and datamanager.data is not None
        return datamanager.data

    def state(self) -> dict[str, Tensor]:
        """That of its pipeline."""
        folder = self.run / self.config.relative_model_dir
        return renewed_state(load_checkpoint(checkpoint_of(folder, self.step))["pipeline"])


def join_runs(runs: Many[Path], output_dir: Path) -> Path:
    """Write the folder of one run that shows at each time what that of its chunk shows, and return it.

    Args:
        runs: folders of two or more runs of one method on consecutive frames of a capture, in any order
        output_dir: folder of all runs

    Raises ValueError, before anything is written, for runs that do not fit together.
    """
    if len(runs) < 2:
        raise ValueError(f"RUNS: expected two or more runs, got {len(runs)}")
    chunks = sorted((_read(run) for run in runs), key=lambda chunk: first_frame(chunk.dataparser.frames))
    for chunk in chunks[1:]:
        _check_alike(chunk, chunks[0])
    frames = join_frames([chunk.dataparser.frames for chunk in chunks])

    config = chunks[0].config
    chunks[0].dataparser.frames = frames
    chunks[0].model.joined = tuple(chunk.sequence.num_frames for chunk in chunks)
    config.data = config.run = config.load_dir = config.load_step = config.load_checkpoint = None
    config.output_dir, config.timestamp = output_dir, "{timestamp}"
    config.set_timestamp()
    pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, Pipeline) and isinstance(pipeline.datamanager, VanillaDataManager)
    _check_sequence(sequence_of(pipeline.datamanager.train_dataset or {}), chunks)
    state = pipeline.state_dict()
    for index, chunk in enumerate(chunks):
        for name, tensor in chunk.state().items():
            of_model = name.startswith(_MODEL)
            state[f"{CHUNKS}{index}.{name.removeprefix(_MODEL)}" if of_model else name] = tensor
    pipeline.load_pipeline(state, chunks[0].step)
    run = config.get_base_dir()
    with write_aside(run) as folder:
        write_run_folder(folder, config, chunks[0].step, state)
        record_run(folder, run, pipeline.datamanager)
    return run


def frames_and_model(config: TrainerConfig, where: str) -> tuple[ChoosesFrames, JoinsChunks]:
    """The configs of a run that say which frames it is trained on, and whether it is joined.

    Raises ValueError, naming `where`, for a run of another kind than can be joined.
    """
    datamanager = config.pipeline.datamanager
    dataparser = datamanager.dataparser if isinstance(datamanager, VanillaDataManagerConfig) else None
    model = config.pipeline.model
    if not (
        isinstance(config, ResFieldsTrainerConfig)
        and isinstance(dataparser, ChoosesFrames)
        and isinstance(model, JoinsChunks)
    ):
        raise ValueError(
            f"{where}: expected a method of dynamic scenes, whose runs are joined, got {config.method_name}"
        )
    return dataparser, model


def _read(run: Path) -> _Chunk:
    """A run that can be a chunk."""
    config = read_config(run / "config.yml", str(run))
    dataparser, model = frames_and_model(config, str(run))
    assert isinstance(config, ResFieldsTrainerConfig)
    if model.joined:
        raise ValueError(f"{run}: expected a run that was trained as one, found a joined one: join those it is made of")
    if not (run / RECORD).is_file():
        raise ValueError(f"{run}: expected a run with the record {RECORD} of its sequence, found none")
    config.found_at(run, rendering=False, option=str(run))
    assert config.load_step is not None
    record = RecordedSequenceConfig(data=run / RECORD).setup().read_sequence("train")
    return _Chunk(run, config, dataparser, model, record, config.load_step)


def _check_alike(chunk: _Chunk, first: _Chunk) -> None:
    """Raise ValueError for runs of two methods, captures or sizes, or trained for different numbers of steps."""
    expected = f"{chunk.run}: expected what {first.run} was trained with"
    if chunk.config.method_name != first.config.method_name:
        raise ValueError(f"{expected}, {first.config.method_name}, found {chunk.config.method_name}")
    if chunk.data.resolve() != first.data.resolve():
        raise ValueError(f"{expected}, the data {first.data}, found {chunk.data}")
    if chunk.step != first.step:
        raise ValueError(
            f"{expected}, {first.step + 1} steps, found {chunk.step + 1}: rf-resume goes on with one that was stopped"
        )
    for part, theirs in ((chunk.dataparser, first.dataparser), (chunk.model, first.model)):
        if type(part) is not type(theirs):
            raise ValueError(f"{expected}, {type(theirs).__name__}, found {type(part).__name__}")
        for setting in settings(part, theirs):
            if setting.changed and setting.path not in ("data", "frames"):
                name, value = dashed(setting.path), as_typed(setting.preset)
                raise ValueError(f"{expected}, {name} {value}, found {as_typed(setting.value)}")


def _check_sequence(whole: Sequence, chunks: Many[_Chunk]) -> None:
    """Raise ValueError where the frames or the space of chunks are not those of the whole capture."""
    numbers = [number for chunk in chunks for number in chunk.sequence.frames.numbers]
    if numbers != list(whole.frames.numbers):
        raise ValueError(
            f"{chunks[0].data}: expected the {len(numbers)} frames that the runs were trained on, found "
            f"{whole.num_frames} others"
        )
    tolerance = _SAME_SPACE * float(np.ptp(whole.box, axis=0).max())
    for chunk in chunks:
        found = chunk.sequence
        same = np.allclose(found.box, whole.box, rtol=0.0, atol=tolerance)
        if not same or not np.allclose(found.to_world.matrix, whole.to_world.matrix, rtol=_SAME_SPACE):
            raise ValueError(
                f"{chunk.run}: expected the space of all frames, the box {whole.box.tolist()} of "
                f"{whole.to_world.matrix.tolist()}, found {found.box.tolist()} of {found.to_world.matrix.tolist()}"
            )
