"""New shapes, fitted by their codes alone to a run that has learnt others."""

from pathlib import Path
from typing import Protocol, runtime_checkable

from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig

from resfields_ns.host.checkpoints import checkpoint_of
from resfields_ns.host.config_file import read_config
from resfields_ns.host.processes import launch_training
from resfields_ns.host.shape_codes import check_codes
from resfields_ns.host.trained_run import load_trained_run
from resfields_ns.host.trainer import ResFieldsTrainerConfig


@runtime_checkable
class PlacesShapes(Protocol):
    """The config of a dataparser that can bring meshes into a space that is given."""

    data: Path
    frames: str
    eval_frames: str
    space: tuple[float, float, float, float] | None


@runtime_checkable
class ChoosesSequences(Protocol):
    """The config of a dataparser that can read several sequences of a folder."""

    sequences: str


def fit_shapes(
    config_path: Path, data: Path, frames: str, sequences: str, output_dir: Path, steps: int, learning_rate: float
) -> None:
    """Train a new run on shapes of `data`, with the weights and in the space of a run, which both stay as they are.

    Args:
        config_path: config.yml of the run that has learnt other shapes
        data: meshes, as the run's dataparser reads them
        frames: which of them, or of each of several sequences, as start:stop:step
        sequences: which of several
        output_dir: folder of all runs
        steps: of the training
        learning_rate: of the rows that tell shapes apart

    Raises ValueError as `load_trained_run` does, for a run without codes, and for shapes outside its space.
    """
    run = load_trained_run(config_path)
    check_codes(run.model, "--load-config")
    config = read_config(config_path, "--load-config")
    assert isinstance(config, ResFieldsTrainerConfig)
    datamanager = config.pipeline.datamanager
    assert isinstance(datamanager, VanillaDataManagerConfig)
    dataparser = datamanager.dataparser
    if not isinstance(dataparser, PlacesShapes):
        raise ValueError(f"--load-config: expected a run that was trained on meshes, found {type(dataparser).__name__}")
    dataparser.frames, dataparser.eval_frames = frames, "::"
    if isinstance(dataparser, ChoosesSequences):
        dataparser.sequences = sequences
    elif sequences != "::":
        raise ValueError(f"--sequences: expected a run of mesh-sequence, found {type(dataparser).__name__}")
    to_run = run.sequence.to_world.inverse
    x, y, z = to_run.matrix[:3, 3].tolist()
    dataparser.space = (to_run.scale, x, y, z)
    config.weights_of = _weights(config_path)
    dataparser.data, datamanager.data = type(dataparser)().data, data
    config.data = config.preset = config.run = config.load_dir = config.load_step = config.load_checkpoint = None
    config.output_dir, config.experiment_name, config.timestamp = output_dir, data.stem, "{timestamp}"
    config.max_num_iterations, config.vis = steps, "tensorboard"
    for group in config.optimizers.values():
        group["optimizer"].lr = learning_rate
    config.set_timestamp()
    config.save_config()
    launch_training(config)


def _weights(config_path: Path) -> Path:
    """The last checkpoint of a run."""
    config = read_config(config_path, "--load-config")
    assert isinstance(config, ResFieldsTrainerConfig)
    folder = config.found_at(config_path.absolute().parent, rendering=True)
    assert config.load_step is not None
    return checkpoint_of(folder, config.load_step).absolute()
