"""A run as one file for others: no code, and no path of the machine that it was trained on.

It is a `.safetensors` file: the pipeline's state, for scene flow also the points that show it, and in its metadata, as
JSON, the method, the config of its pipeline and the record of its sequence. In that JSON a config is its class and its
options, a path is its last name alone, and what a config sets up is left out: it is what its class has by default.
"""

import json
import os
from copy import deepcopy
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from nerfstudio.configs.method_configs import all_methods
from nerfstudio.data.datamanagers.base_datamanager import VanillaDataManagerConfig
from nerfstudio.pipelines.base_pipeline import Pipeline
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from resfields_ns.captures.json_file import read_json, read_text
from resfields_ns.captures.meshes.mesh_frames import TrackedVertices
from resfields_ns.captures.sequence import Sequence
from resfields_ns.captures.untrusted import blamed, check_file
from resfields_ns.files import write_aside
from resfields_ns.host.checkpoints import checkpoint_of, load_checkpoint
from resfields_ns.host.config_file import config_class, default_of, enum_class, path_of, read_config
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.host.old_runs import present_name, renewed_state
from resfields_ns.host.run_record import POINTS, RECORD, RecordedSequenceConfig, keep_points, read_kept_points
from resfields_ns.host.trainer import ResFieldsTrainerConfig

_KEY = "resfields_run"
_FILES = ("file", "mask", "depth")  # of an image of the record
_POSITIONS, _FACES = "points.positions", "points.faces"  # of scene flow
_SAME_SPACE = 1e-4  # of the size of the scene box


def export_run(config_path: Path, path: Path) -> None:
    """Write the last checkpoint of a run with all that rendering needs to one file, which appears whole.

    Raises ValueError if the file is not the config of a run of this package, or the run has no record.
    """
    config = read_config(config_path, "--load-config")
    if not isinstance(config, ResFieldsTrainerConfig):
        raise ValueError(f"{config_path}: expected a run of this package, found one of {type(config).__name__}")
    run = config_path.absolute().parent
    if not (run / RECORD).is_file():
        raise ValueError(f"{run}: expected a run with the record {RECORD} of its sequence, found none")
    record = read_json(run / RECORD)
    with blamed(run / RECORD, "the record of a run"):
        sequence = _without_paths(record)
    folder = config.found_at(run, rendering=True)
    assert config.load_step is not None
    state = load_checkpoint(checkpoint_of(folder, config.load_step))
    config = read_config(config_path, "--load-config")  # `found_at` may have changed where its data are
    content = {
        "method": config.method_name,
        "step": state["step"],
        "pipeline": as_plain(config.pipeline),
        "sequence": sequence,
    }
    tensors = {name: tensor.clone().contiguous() for name, tensor in renewed_state(state["pipeline"]).items()}
    if (run / POINTS).is_file():
        tracked = read_kept_points(run / POINTS)
        tensors[_POSITIONS] = torch.from_numpy(tracked.positions.astype(np.float32))
        tensors[_FACES] = torch.from_numpy(tracked.faces.astype(np.int32))
    with write_aside(path) as partial:
        partial.write_bytes(save(tensors, {_KEY: json.dumps(content)}))


def import_run_file(path: Path, output_dir: Path, data: Path | None) -> Path:
    """Write the folder of a run that `export_run` made a file of, and return it.

    Args:
        path: the file
        output_dir: where runs lie
        data: what the run was trained on, for evaluating; without it, the run shows what it has learnt

    Raises ValueError, before anything is written, if the file is broken or no such run, or the data are others.
    """
    expected = "a run that rf-export-run wrote"
    check_file(path, expected)
    with blamed(path, expected):
        with safe_open(path, framework="pt") as file:
            content = json.loads((file.metadata() or {})[_KEY])
        config, step, sequence = _config(content), content["step"], dict(content["sequence"])
        if not isinstance(step, int) or step < 0:
            raise ValueError(f"step: expected a count, found {step!r}")
        datamanager = config.pipeline.datamanager
        assert isinstance(datamanager, VanillaDataManagerConfig)
        dataparser = datamanager.dataparser
        places = {"data": str(dataparser.data if data is None else data.absolute())}
    config.experiment_name, config.output_dir = path.stem, output_dir
    config.set_timestamp()
    run = config.get_base_dir()
    places["run"] = str(run.absolute())
    with write_aside(run) as folder:
        folder.mkdir()
        (folder / RECORD).write_text(json.dumps(sequence | places) + "\n", encoding="utf-8")
        datamanager.dataparser, datamanager.data = RecordedSequenceConfig(), folder / RECORD
        with blamed(path, expected), safe_open(path, framework="pt") as file:
            points = {_POSITIONS, _FACES} if "points" in sequence["train"] else set()
            if points:
                positions, faces = file.get_tensor(_POSITIONS), file.get_tensor(_FACES)
                tracked = TrackedVertices(positions.double().numpy(), faces.long().numpy())
                keep_points(folder / POINTS, tracked)
            try:
                pipeline = config.pipeline.setup(device="cpu", test_mode="inference")
            except ValueError as error:
                raise ValueError(str(error).replace(f"{folder}{os.sep}", "")) from None
            assert isinstance(pipeline, Pipeline)
            state = _state(file, pipeline.state_dict(), points)
            pipeline.load_pipeline(state, step)
        if data is None:
            datamanager.data = run / RECORD
        else:
            datamanager.dataparser, datamanager.data = dataparser, data
            _check_data(datamanager, sequence_of(pipeline.datamanager.train_dataset or {}))
        write_run_folder(folder, config, step, state)
    return run


def write_run_folder(folder: Path, config: ResFieldsTrainerConfig, step: int, state: dict[str, Tensor]) -> None:
    """Write config and checkpoint of a run that can be looked at and evaluated to its folder."""
    models = folder / config.relative_model_dir
    models.mkdir(parents=True)
    torch.save({"step": step, "pipeline": state}, checkpoint_of(models, step))
    (folder / "config.yml").write_text(yaml.dump(config), encoding="utf-8")


def as_plain(value: Any) -> Any:
    """What a config holds, in JSON's kinds; ValueError for anything but configs and plain values."""
    if isinstance(value, Enum) and enum_class(path_of(type(value))) is not None:
        return {"enum": path_of(type(value)), "value": value.value}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [as_plain(part) for part in value]
    if isinstance(value, tuple):
        return {"tuple": [as_plain(part) for part in value]}
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {"map": {key: as_plain(part) for key, part in value.items()}}
    if isinstance(value, Path):
        return {"path": value.name}
    if not is_dataclass(value) or config_class(path_of(type(value))) is None:
        raise ValueError(f"expected configs and plain values, found {value!r}")
    defaults = {entry.name: default_of(entry) for entry in fields(value)}
    options = {name: part for name, part in vars(value).items() if not (callable(part) and part is defaults.get(name))}
    return {"config": path_of(type(value)), "options": {name: as_plain(part) for name, part in options.items()}}


def from_plain(content: Any) -> Any:
    """The inverse of `as_plain`, but for folders of paths; ValueError for anything else."""
    if isinstance(content, list):
        return [from_plain(part) for part in content]
    if not isinstance(content, dict):
        return content
    match content:
        case {"tuple": list(parts)}:
            return tuple(from_plain(part) for part in parts)
        case {"map": dict(parts)}:
            return {key: from_plain(part) for key, part in parts.items()}
        case {"path": str(name)}:
            return Path(name)
        case {"enum": str(name), "value": value} if (kind := enum_class(name)) is not None:
            return kind(value)
        case {"config": str(name), "options": dict(options)} if (kind := config_class(present_name(name))) is not None:
            set_up = [entry.name for entry in fields(kind) if callable(default_of(entry)) and entry.name in options]
            if set_up:
                raise ValueError(f"{name}: expected options alone, found {set_up[0]}")
            return kind(**{name: from_plain(part) for name, part in options.items()})
    raise ValueError(f"expected a config of nerfstudio or of this package, found {str(content)[:80]}")


def _config(content: Any) -> ResFieldsTrainerConfig:
    """The config of a run on this machine."""
    method = all_methods.get(read_text(content, "method", "run"))
    if not isinstance(method, ResFieldsTrainerConfig):
        raise ValueError(f"method: expected one of this package, found {content['method']!r}")
    config, pipeline = deepcopy(method), from_plain(content["pipeline"])
    parts = (pipeline, pipeline.datamanager, pipeline.model)
    usual = (config.pipeline, config.pipeline.datamanager, config.pipeline.model)
    if [type(part) for part in parts] != [type(part) for part in usual]:
        raise ValueError(f"pipeline: expected that of {config.method_name}, found another")
    config.pipeline = pipeline
    return config


def _without_paths(record: dict[str, Any]) -> dict[str, Any]:
    """The record of a run, whose files are named within the folder of its data, or by their names alone."""
    data = Path(record["data"])
    return {split: {**record[split], "images": _images(record[split], data)} for split in ("train", "test")}


def _images(content: dict[str, Any], data: Path) -> list[dict[str, Any]]:
    named = [{kind: image.get(kind) for kind in _FILES if image.get(kind)} for image in content["images"]]
    return [
        {**image, **{kind: _within(Path(file), data) for kind, file in files.items()}}
        for image, files in zip(content["images"], named, strict=True)
    ]


def _within(file: Path, data: Path) -> str:
    return str(file.relative_to(data)) if file.is_relative_to(data) and file != data else file.name


def _state(file: Any, wanted: dict[str, Tensor], points: set[str]) -> dict[str, Tensor]:
    """The tensors of a file beside its `points`, which must be those of a pipeline; none is read before its size is
    known to be right."""
    names = set(file.keys()) - points
    if others := names ^ wanted.keys():
        raise ValueError(f"expected the {len(wanted)} tensors of the run's model, found {min(others)} apart from them")
    for name, tensor in wanted.items():
        if (shape := tuple(file.get_slice(name).get_shape())) != tensor.shape:
            raise ValueError(f"{name}: expected a tensor of {tuple(tensor.shape)}, found {shape}")
    state = {name: file.get_tensor(name).clone() for name in wanted}  # one that is empty shares another's memory
    for name, tensor in state.items():
        if tensor.dtype != wanted[name].dtype or not tensor.isfinite().all():
            raise ValueError(f"{name}: expected finite numbers of {wanted[name].dtype}, found others")
    return state


def _check_data(config: VanillaDataManagerConfig, trained: Sequence) -> None:
    """Raise ValueError if data are not those that a run was trained on."""
    assert config.data is not None
    dataparser = config.dataparser.setup()
    dataparser.config.data = config.data
    found = sequence_of(dataparser.get_dataparser_outputs("train"))
    tolerance = _SAME_SPACE * float(np.ptp(trained.box, axis=0).max())
    same = found.frames.numbers == trained.frames.numbers and np.allclose(found.box, trained.box, atol=tolerance)
    if not same or not np.allclose(found.to_world.matrix, trained.to_world.matrix, rtol=_SAME_SPACE):
        raise ValueError(
            f"--data: expected what the run was trained on, {trained.num_frames} frames in the box "
            f"{trained.box.tolist()}, found {found.num_frames} frames in {found.box.tolist()}"
        )
