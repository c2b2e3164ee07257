"""What a report shows of one run. Files that take long to make are kept, so that a stopped report goes on."""

import gzip
import json
import math
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import torch
from PIL import Image
from rich.console import Console

from resfields_ns.captures.sequence import Clip
from resfields_ns.export.camera_paths import hold_camera, orbit, running_times
from resfields_ns.export.mesh_finish import MeshFinish
from resfields_ns.export.mesh_formats import animate_meshes, read_mesh
from resfields_ns.export.mesh_set import export_meshes
from resfields_ns.export.movies import render_movie
from resfields_ns.export.tracked_mesh import export_tracked_mesh
from resfields_ns.files import write_aside
from resfields_ns.host.trained_run import TrainedRun, evaluate_run, load_trained_run
from resfields_ns.models.sceneflow_model import SceneFlowModel
from resfields_ns.models.surface_model import SurfaceModel
from resfields_ns.report.baked_view import BakedView, bake_view
from resfields_ns.report.plots import Curve, as_uri, coefficient_figures, data_uri, plot_curves
from resfields_ns.report.training_log import losses_of, psnr_of, read_log, training_seconds
from resfields_ns.timeline import times_from_frames

_FILM_RATE = 12.0
_FILM_SIDE, _VIEW_SIDE = 320, 320  # pixels, at most
_MOST_FRAMES = 48  # as meshes and as test views
_MOST_TRIANGLES = 6_000  # of a mesh
_DIFFERENCE_SHOWN = 0.25  # of the range of colours, as the brightest


@dataclass(frozen=True)
class RunParts:
    """What a page shows of a run; pictures and films are addresses that hold them, None is what there is none of.

    Args:
        name: of the run
        facts: name -> value
        means: metric -> mean over the test views
        views: test views, each with what it is of and its pictures by what they show
        metrics, curves, coefficients: plots by what they show
        film: the scene while time runs
        meshes: an animated GLB, compressed by gzip, in base64
        view: how the first training camera looks on the world, which frames `meshes` plays (their numbers, and at
            which share of its length each begins), and the functions of which colours are made, if they are
        config: the run's config.yml
        missing: why parts are missing
    """

    name: str
    facts: dict[str, str]
    means: dict[str, float]
    views: list[dict[str, Any]]
    metrics: dict[str, str]
    curves: dict[str, str]
    coefficients: dict[str, str]
    film: str | None
    meshes: str | None
    view: dict[str, Any]
    config: str
    missing: list[str]


def gather_parts(config_path: Path, folder: Path, resolution: int, seconds: float) -> RunParts:
    """Evaluate, render and extract what a report shows of a run.

    Args:
        config_path: the run's config.yml
        folder: for what takes long to make, and is there already if the same was stopped
        resolution: cells along the longest side of the scene box
        seconds: length of the film
    """
    say = Console(stderr=True).print
    run, missing = load_trained_run(config_path), []
    say(f"{run.name}: test views", soft_wrap=True)
    try:
        evaluation = _kept(folder / "metrics.json", lambda: evaluate_run(config_path, folder / "pictures"))
    except ValueError as error:
        evaluation = {}
        missing.append(f"Test views and metrics: {error}")
    log = read_log(config_path.parent)
    if not log:
        missing.append("Training curves: the run was trained without --vis tensorboard.")
    say(f"{run.name}: film", soft_wrap=True)
    film = _film(run, folder / "film.mp4", seconds)
    say(f"{run.name}: meshes", soft_wrap=True)
    played, animation = _animation(run, folder, resolution)
    if animation is None:
        missing.append("Meshes: the run has no surface.")
    coefficients = {name: as_uri(figure) for name, figure in coefficient_figures(run).items()}
    if not coefficients:
        missing.append("Coefficients: the run has no residual layers that are made of some.")
    for reason in missing:
        say(f"{run.name}: left out: {reason}", soft_wrap=True)
    return RunParts(
        name=run.name,
        facts=_facts(run, evaluation, log),
        means={name: value for name, value in evaluation.items() if isinstance(value, float)},
        views=_views(run, folder / "pictures") if evaluation else [],
        metrics={name: as_uri(plot_curves(of, "frame")) for name, of in _by_frame(evaluation).items()},
        curves=_curves(log),
        coefficients=coefficients,
        film=film,
        meshes=None if animation is None else b64encode(gzip.compress(animation.read_bytes(), mtime=0)).decode(),
        view=_first_view(run) | played,
        config=config_path.read_text(encoding="utf-8"),
        missing=missing,
    )


def names_of_runs(folders: list[Path]) -> list[str]:
    """Names by which runs are told apart: the ends of their paths, experiment, method and time, or longer ends."""
    paths = [folder.absolute().parts for folder in folders]
    for length in range(3, max(map(len, paths))):
        names = [str(Path(*path[-length:])) for path in paths]
        if len(set(names)) == len(set(paths)):
            return names
    return [str(folder.absolute()) for folder in folders]


def name_of_parts(config_path: Path, resolution: int, seconds: float) -> str:
    """A name for the folder of what is made of a run as it is now, with these options."""
    checkpoints = sorted(path.name for path in config_path.parent.rglob("*.ckpt"))
    made_of = json.dumps([str(config_path.absolute()), checkpoints, resolution, seconds])
    return sha256(made_of.encode()).hexdigest()[:16]


def _kept(path: Path, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not path.is_file():
        made = make()
        with write_aside(path) as partial:
            partial.write_text(json.dumps(made), encoding="utf-8")
    return json.loads(path.read_text(encoding="utf-8"))


def _film(run: TrainedRun, path: Path, seconds: float) -> str:
    """Once around the scene while time runs; a video is seen from its own camera."""
    cameras, times = run.train_dataset.cameras, running_times(max(1, round(seconds * _FILM_RATE)))
    if isinstance(run.sequence, Clip):
        moving = hold_camera(cameras[0:1], times)
    else:
        moving = orbit(cameras, run.box.mean(dim=0), times)
    if not path.is_file():
        scale = min(1.0, _FILM_SIDE / max(int(cameras.width[0]), int(cameras.height[0])))
        render_movie(run, moving, path, _FILM_RATE, "rgb", scale)
    return data_uri("video/mp4", path.read_bytes())


def _spread(count: int) -> list[int]:
    """At most so many of the first numbers as can be shown, evenly."""
    return sorted({round(place) for place in np.linspace(0, count - 1, min(count, _MOST_FRAMES))})


def _animation(run: TrainedRun, folder: Path, resolution: int) -> tuple[dict[str, Any], Path | None]:
    """The meshes of the run in the world as one animated GLB, the numbers of its frames, and at which share of its
    length each begins."""
    path, rate, of_view = folder / "animation.glb", run.sequence.frames.rate or 24.0, {}
    if isinstance(run.model, SceneFlowModel):
        export_tracked_mesh(run, 0, rate, "world", path)
        frames, length = list(range(run.num_frames)), max(1, run.num_frames - 1)
    elif isinstance(run.model, SurfaceModel):
        frames = _spread(run.num_frames)
        fewer = MeshFinish(triangles=_MOST_TRIANGLES)
        files = export_meshes(
            run, frames, folder / "meshes", resolution, "ply", "world", 65_536, finish=lambda surface, _: fewer(surface)
        )
        if not files:
            return {}, None
        numbers = {number: frame for frame, number in enumerate(run.sequence.frames.numbers)}
        by_frame = {numbers[int(file.stem.removeprefix("mesh_"))]: file for file in files}
        baked = _baked_view(run, by_frame)
        attributes = None if baked is None else dict(zip(by_frame, baked.attributes, strict=True))
        length = animate_meshes(frames, by_frame, rate, path, attributes) * rate
        of_view = {} if baked is None else {"basis": baked.for_page()}
    else:
        return {}, None
    shown = of_view | {"frames": [run.sequence.frames.numbers[frame] for frame in frames]}
    return shown | {"starts": [(frame - frames[0]) / length for frame in frames]}, path


def _baked_view(run: TrainedRun, meshes: Mapping[int, Path]) -> BakedView | None:
    """Of a run whose colours are made of functions of the direction of view; its meshes by their frames."""
    model = run.model
    if not isinstance(model, SurfaceModel) or (basis := model.view_basis) is None:
        return None
    times = times_from_frames(torch.tensor(list(meshes)), run.num_frames).tolist()
    vertices = [read_mesh(file).vertices for file in meshes.values()]
    return bake_view(model, basis, list(zip(vertices, times, strict=True)), run.sequence.to_world)


def _curves(log: dict[str, Curve]) -> dict[str, str]:
    losses, psnr = losses_of(log), psnr_of(log)
    plots = {"loss": plot_curves(losses, "step", "log")} if losses else {}
    plots |= {"PSNR (dB)": plot_curves(psnr, "step")} if psnr else {}
    return {name: as_uri(figure) for name, figure in plots.items()}


def _by_frame(evaluation: dict[str, Any]) -> dict[str, dict[str, Curve]]:
    """Metric -> camera -> its value at every frame that has one."""
    curves: dict[str, dict[str, Curve]] = {}
    for frame in sorted(evaluation.get("per_frame", []), key=lambda frame: frame["frame"]):
        for name, value in frame.items():
            if name not in ("camera", "frame") and value is not None:
                places, values = curves.setdefault(name, {}).setdefault(frame.get("camera", "all"), ([], []))
                places.append(float(frame["frame"]))
                values.append(float(value))
    return curves


def _facts(run: TrainedRun, evaluation: dict[str, Any], log: dict[str, Curve]) -> dict[str, str]:
    facts = {"steps": str(run.step + 1), "frames": str(run.num_frames)}
    if (seconds := training_seconds(log)) is not None:
        facts["training"] = f"{seconds / 60.0:.1f} minutes"
    of_evaluation = {**evaluation.get("facts", {})}
    versions, hardware = of_evaluation.pop("versions", {}), of_evaluation.pop("hardware", {})
    for name in ("seed", "parameters", "cameras", "background"):
        if name in of_evaluation:
            value = of_evaluation[name]
            facts[name] = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    facts |= {f"version of {name}": str(value) for name, value in versions.items()}
    return facts | {f"evaluated on: {name}": str(value) for name, value in hardware.items() if value is not None}


def _views(run: TrainedRun, pictures: Path) -> list[dict[str, Any]]:
    """Ground truth, what the run shows and their difference, of test views spread over all."""
    files = sorted(pictures.glob("eval_img_*.png"))
    views = []
    for file in (files[index] for index in _spread(len(files))):
        image = run.eval_sequence.images[int(file.stem.removeprefix("eval_img_"))]
        with Image.open(file) as picture:
            panels = np.split(np.array(picture.convert("RGB")), picture.width // image.camera.width, axis=1)
        difference = np.abs(panels[0].astype(np.float32) - panels[1]).mean(axis=-1) / 255.0
        shown = np.clip(difference / _DIFFERENCE_SHOWN, 0.0, 1.0)
        heat = (255.0 * matplotlib.colormaps["inferno"](shown)[..., :3]).astype(np.uint8)
        title = f"{image.camera_name}, frame {run.eval_sequence.frames.numbers[image.frame]}"
        named = {"truth": panels[0], "run": panels[1], "difference": heat}
        views.append({"title": title, "pictures": {name: _as_webp(pixels) for name, pixels in named.items()}})
    return views


def _as_webp(pixels: np.ndarray) -> str:
    picture, content = Image.fromarray(pixels), BytesIO()
    picture.thumbnail((_VIEW_SIDE, _VIEW_SIDE))
    picture.save(content, "webp", quality=90)
    return data_uri("image/webp", content.getvalue())


def _first_view(run: TrainedRun) -> dict[str, Any]:
    """Where the first training camera looks in the world, what is up there, and its field of view in degrees."""
    camera, to_world = run.train_dataset.cameras[0], run.sequence.to_world
    pose = camera.camera_to_worlds.numpy().astype(np.float64)
    turned = to_world.rotation @ pose[:, :3]
    fov = 2.0 * math.degrees(math.atan(float(camera.height) / 2.0 / float(camera.fy)))
    return {"forward": (-turned[:, 2]).tolist(), "up": turned[:, 1].tolist(), "fov": fov}
