"""What a run keeps of its sequence, so that it can be rendered and exported where its data are not.

`sequence.json` in the folder of a run has all of the sequence but pictures and meshes: frames, cameras, the scene box
and the space, of what is trained and of what is evaluated on. Scene flow is shown by points of its meshes:
`points.npz` beside it has their vertices, as in their source, and their triangles.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from nerfstudio.data.datamanagers.base_datamanager import (
    DataManagerConfig,
    VanillaDataManager,
    VanillaDataManagerConfig,
)
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns.captures.array_files import Header, open_archive, read_member
from resfields_ns.captures.camera import Camera, Lens, Similarity
from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.clips.footage import Footage, Picture
from resfields_ns.captures.clips.sound_files import Samples, SoundFormat, SoundSource, SoundWindows
from resfields_ns.captures.json_file import read_array, read_json, read_list, read_text
from resfields_ns.captures.meshes.colours import colours_by_position
from resfields_ns.captures.meshes.mesh_frames import (
    MeshFrame,
    MeshSequence,
    Normalisation,
    NormalisedSequence,
    TrackedVertices,
    check_triangles,
    read_tracked_vertices,
)
from resfields_ns.captures.sequence import (
    Capture,
    CapturedImage,
    Clip,
    Frames,
    Sequence,
    SequenceImage,
    Sound,
    Surfaces,
    TrackedSurfaces,
)
from resfields_ns.files import write_aside
from resfields_ns.host.dataparsing import SequenceDataParser, sequence_of

RECORD = "sequence.json"
POINTS = "points.npz"
_OF_CAPTURES = ("mask_threshold", "depth_kind", "metres_per_count", "image_scale")


def record_run(folder: Path, run: Path, datamanager: VanillaDataManager[Any]) -> None:
    """Write the record of a run to a folder, which may become `run` later on."""
    trained = sequence_of(datamanager.train_dataset)
    try:
        tested = sequence_of(datamanager.dataparser.get_dataparser_outputs("test"))
    except ValueError:  # training alone needs no images to test on
        tested = sequence_of(datamanager.eval_dataset)
    content: dict[str, Any] = {
        "run": str(run.absolute()),
        "data": str(Path(datamanager.config.dataparser.data).absolute()),
        "train": _as_json(trained),
        "test": _as_json(tested),
    }
    if isinstance(trained, TrackedSurfaces):
        meshes = trained.meshes
        tracked = read_tracked_vertices(meshes.source, meshes.frames, str(trained.images[0].file.parent))
        keep_points(folder / POINTS, tracked)
        for split in ("train", "test"):
            content[split]["points"] = POINTS
    with write_aside(folder / RECORD) as partial:
        partial.write_text(json.dumps(content) + "\n", encoding="utf-8")


def _as_json(sequence: Sequence) -> dict[str, Any]:
    cameras = list({id(image.camera): image.camera for image in sequence.images}.values())
    places = {id(camera): place for place, camera in enumerate(cameras)}
    content: dict[str, Any] = {
        "frames": list(sequence.frames.numbers),
        "rate": sequence.frames.rate,
        "to_world": sequence.to_world.matrix.tolist(),
        "box": sequence.box.tolist(),
        "cameras": [{**asdict(camera), "pose": camera.pose.tolist()} for camera in cameras],
        "images": [
            {
                "file": str(image.file),
                "camera_name": image.camera_name,
                "camera": places[id(image.camera)],
                "frame_position": image.frame_position,
            }
            for image in sequence.images
        ],
    }
    if isinstance(sequence, Capture):
        for image, record in zip(sequence.images, content["images"], strict=True):
            record |= {
                kind: None if (file := getattr(image, kind)) is None else str(file) for kind in ("mask", "depth")
            }
        content["capture"] = {name: getattr(sequence, name) for name in _OF_CAPTURES}
    elif isinstance(sequence, Clip):
        content["clip"] = [sequence.pixels.height, sequence.pixels.width]
    elif isinstance(sequence, Surfaces):
        content["lengths"] = sequence.meshes.lengths
    elif isinstance(sequence, Sound):
        windows = sequence.windows
        content["sound"] = [asdict(windows.source.form), windows.length, windows.lengths, windows.peak]
    return content


@dataclass
class RecordedSequenceConfig(DataParserConfig):
    """The record of a run."""

    _target: type = field(default_factory=lambda: RecordedSequence)
    data: Path = Path()
    """The file."""


class RecordedSequence(SequenceDataParser):
    """Reads the sequence of a run whose data are gone; what asks for a picture or a mesh of it is told so."""

    config: RecordedSequenceConfig

    def read_sequence(self, split: str) -> Sequence:
        """The sequence with the images of a split."""
        path = self.config.data
        content = read_json(path)
        try:
            return _sequence(content["train" if split == "train" else "test"], Path(content["data"]), path)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{path}: expected the record of a run, found one that is broken ({error!r})") from None


def _sequence(content: dict[str, Any], data: Path, path: Path) -> Sequence:
    name = str(path)
    cameras = [
        Camera(**{**camera, "lens": Lens(**camera["lens"]), "pose": read_array(camera, "pose", (3, 4), name)})
        for camera in read_list(content, "cameras", name)
    ]
    common = {
        "frames": Frames(tuple(content["frames"]), content["rate"]),
        "to_world": Similarity(read_array(content, "to_world", (4, 4), name)),
        "box": read_array(content, "box", (2, 3), name),
    }
    images = [{**image, "file": Path(image["file"]), "camera": cameras[image["camera"]]} for image in content["images"]]
    if "capture" in content:
        files = [{kind: image[kind] and Path(image[kind]) for kind in ("mask", "depth")} for image in images]
        captured = tuple(CapturedImage(**{**image, **of}) for image, of in zip(images, files, strict=True))
        return Capture(images=captured, **common, **content["capture"])
    shown = tuple(SequenceImage(**image) for image in images)
    numbers = content["frames"]
    if "clip" in content:
        height, width = content["clip"]
        footage = _MissingFootage(data, (width, height), len(numbers), "RGB", content["rate"] or 0.0)
        pixels = ClipPixels(footage, numbers, height, width)
        return Clip(images=shown, **common, pixels=pixels, hold_out=HoldOut.nothing(len(numbers), height * width))
    if "sound" in content:
        form, window, lengths, peak = content["sound"]
        source = _MissingSound(data, SoundFormat(**form), window, lengths)
        windows = SoundWindows(source, list(range(len(numbers))), peak)
        return Sound(images=shown, **common, windows=windows, hold_out=HoldOut.nothing(len(numbers), window))
    to_world = common["to_world"]
    normalisation = Normalisation(1.0 / to_world.scale, -to_world.matrix[:3, 3] / to_world.scale)
    kept = _KeptMeshes(path.with_name(POINTS)) if "points" in content else _MissingMeshes(data, len(numbers))
    if len(kept) != len(numbers):
        raise ValueError(f"{path.with_name(POINTS)}: expected {len(numbers)} frames, found {len(kept)}")
    lengths = None if content.get("lengths") is None else tuple(content["lengths"])
    if lengths is not None and (min(lengths, default=0) < 1 or sum(lengths) != len(numbers)):
        raise ValueError(f"{path}: expected lengths of sequences of {len(numbers)} frames together, found {lengths}")
    meshes = NormalisedSequence(kept, list(range(len(kept))), normalisation, lengths)
    return Surfaces(images=shown, **common, meshes=meshes)


class _MissingFootage(Footage):
    """A video that is gone."""

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        raise _gone(self.path)


class _MissingSound(SoundSource):
    """A sound that is gone."""

    def read(self, window: int) -> Samples:
        raise _gone(self.path)


class _MissingMeshes(MeshSequence):
    """Meshes that are gone."""

    def __init__(self, path: Path, num_frames: int) -> None:
        self.path = path
        self.num_frames = num_frames

    def __len__(self) -> int:
        return self.num_frames

    def frame(self, index: int) -> MeshFrame:
        raise _gone(self.path)


class _KeptMeshes(MeshSequence):
    """Meshes of one topology, kept with a run; a point keeps the colour of its place in the box of frame 0."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tracked = read_kept_points(path)
        self.colours = colours_by_position(self.tracked.positions[0], self.tracked.faces)

    def __len__(self) -> int:
        return len(self.tracked.positions)

    def frame(self, index: int) -> MeshFrame:
        return MeshFrame(self.tracked.positions[index], self.tracked.faces, self.colours)


def keep_points(path: Path, tracked: TrackedVertices) -> None:
    """Keep vertices and triangles, see `read_kept_points`."""
    with write_aside(path) as partial, partial.open("wb") as file:
        np.savez(file, positions=tracked.positions.astype(np.float32), faces=tracked.faces.astype(np.int32))


def read_kept_points(path: Path) -> TrackedVertices:
    """What `keep_points` has kept; ValueError if the file is broken."""

    def check(kind: str, rank: int) -> Callable[[Header, str], None]:
        def check_header(header: Header, name: str) -> None:
            shape, dtype = header
            if dtype != np.dtype(kind) or len(shape) != rank or shape[-1] != 3 or shape[0] == 0:
                raise ValueError(f"{name}: expected {kind} in {rank} axes, the last of 3, found {dtype} of {shape}")

        return check_header

    with open_archive(path, "the points of a run") as archive:
        positions = read_member(archive, path, "positions", check("float32", 3)).astype(np.float64)
        faces = read_member(archive, path, "faces", check("int32", 2)).astype(np.int64)
    for frame, vertices in enumerate(positions):
        check_triangles(vertices, faces, f"{path}: frame {frame}")
    return TrackedVertices(positions, faces)


def _gone(path: Path) -> ValueError:
    return ValueError(f"{path}: expected the data that the run was trained on, found nothing there")


def find_data(config: DataManagerConfig, old_run: Path, run: Path, rendering: bool) -> None:
    """Let the data manager of a run read the run's data wherever they are now.

    Args:
        config: of the data manager
        old_run, run: folder of the run when it was trained, and now
        rendering: whether the run's record does where there are no data

    Raises ValueError where that is not enough.
    """
    if not isinstance(config, VanillaDataManagerConfig):
        return
    if isinstance(config.dataparser, RecordedSequenceConfig) and not rendering:
        raise ValueError(f"{run}: expected a run with its data, found one imported without them: rf-import --data")
    data = Path(config.dataparser.data if config.data is None else config.data)
    places = [data] if data.is_absolute() else []
    places.append(_relocated(data, old_run, run))
    record = run / RECORD
    if record.is_file():
        content, name = read_json(record), str(record)
        recorded = Path(read_text(content, "data", name))
        places += [recorded, _relocated(recorded, Path(read_text(content, "run", name)), run)]
    found = next((place for place in [*places, data] if place.exists()), None)
    if found is not None:
        config.data = found
    elif rendering and record.is_file():
        CONSOLE.print(f"{data} is gone: cameras, frames and scene box are those that the run recorded.", soft_wrap=True)
        config.dataparser, config.data = RecordedSequenceConfig(), record
    else:
        needed = "" if record.is_file() else "; this run has recorded none of what can be done without them"
        raise ValueError(f"{data}: expected the data of the run, found nothing there{needed}")


def _relocated(path: Path, old_run: Path, run: Path) -> Path:
    """Where a path lies now, if it was moved together with a run: below the folder that the two runs differ in."""
    shared = 0
    for old, new in zip(reversed(old_run.parts), reversed(run.absolute().parts), strict=False):
        if old != new:
            break
        shared += 1
    old_root = Path(*old_run.parts[: len(old_run.parts) - shared])
    new_root = Path(*run.absolute().parts[: len(run.absolute().parts) - shared])
    return new_root / path.relative_to(old_root) if path.is_relative_to(old_root) else path
