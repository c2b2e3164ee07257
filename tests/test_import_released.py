"""rf-import-released: checkpoints as the released code writes them become runs, or one line that says why not."""

import sys
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import trimesh
from nerfstudio.utils.eval_utils import eval_setup
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.commands import export, import_released
from resfields_ns.fields.ambient import MomentAmbientConfig, NoAmbientConfig, SlicingNetworkConfig
from resfields_ns.fields.bijective_warp import BijectiveWarpConfig
from resfields_ns.fields.conditions import LatentCodeConditionConfig, ReleasedTimeConditionConfig, TimeConditionConfig
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.fields.warps import SE3WarpConfig, TranslationWarpConfig
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.models.dynamic_model import DENSITIES, DynamicModel, DynamicModelConfig
from resfields_ns.options import chosen
from resfields_ns.pipelines.dynamic_pipeline import DynamicPipeline, DynamicPipelineConfig
from resfields_ns.released.released_dynamic import METHODS
from resfields_ns.released.released_method import infer_method, released_parameters, released_shape
from tests.cases import over, perturb_parameters

NUM_STEPS = 30_000
NUM_FRAMES = 4

_time, _code = ReleasedTimeConditionConfig(), LatentCodeConditionConfig(dim=4)
_se3 = SE3WarpConfig(num_layers=3, hidden_dim=8, skip_layer=1)
_slicing = SlicingNetworkConfig(num_coordinates=3, num_layers=3, hidden_dim=48, skip_layer=2)
_SIZES = {
    "num_layers": 4,
    "hidden_dim": 88,
    "skip_layers": (2,),
    "feature_dim": 6,
    "rank": 2,
    "residual_layers": (1, 3),
}
FIELDS = {
    "tnerf": DynamicFieldConfig(**_SIZES, condition=_time, ambient=MomentAmbientConfig(num_frequencies=6)),
    "dynerf": DynamicFieldConfig(**_SIZES, condition=_code, ambient=MomentAmbientConfig()),
    "dnerf": DynamicFieldConfig(
        **_SIZES,
        condition=_time,
        warp=TranslationWarpConfig(num_layers=3, hidden_dim=8, skip_layer=2),
        ambient=NoAmbientConfig(),
    ),
    "nerfies": DynamicFieldConfig(**_SIZES, condition=_code, warp=_se3, ambient=NoAmbientConfig()),
    "hypernerf": DynamicFieldConfig(**_SIZES, condition=_code, warp=_se3, ambient=_slicing),
    "ndr": DynamicFieldConfig(
        **_SIZES, condition=_code, warp=BijectiveWarpConfig(hidden_dim=8), ambient=_slicing, colour="view"
    ),
}
"""A small field of each method."""

SOURCES = {f"{name}-{density}": (name, density) for name in FIELDS for density in DENSITIES}


def test_released_time_of_frames() -> None:
    condition = ReleasedTimeConditionConfig().setup(num_frames=5)
    frames = torch.arange(5)
    times = condition(timeline.times_from_frames(frames, 5))
    torch.testing.assert_close(times, (2.0 * frames / 5 - 1.0)[:, None])


def _paper_fields() -> dict[str, DynamicFieldConfig]:
    """The registered fields with and without residual layers."""
    fields = {}
    for name, method in METHODS.items():
        model = method.config.pipeline.model
        assert isinstance(model, DynamicModelConfig)
        time = isinstance(chosen(model.field.condition), TimeConditionConfig)
        field = replace(model.field, condition=_time) if time else model.field
        fields |= {f"{name}-residual": (name, field), f"{name}-plain": (name, replace(field, residual_layers=()))}
    return fields


@pytest.mark.parametrize("density_name", DENSITIES)
@over("named_field", _paper_fields() | {f"{name}-small": (name, field) for name, field in FIELDS.items()})
def test_method_and_sizes_are_inferred(named_field: tuple[str, DynamicFieldConfig], density_name: str) -> None:
    name, config = named_field
    with torch.device("meta"):
        field = config.setup(num_frames=7, density=DENSITIES[density_name](DynamicModelConfig()))
    method = infer_method(_tensors(field))
    assert (method.name, method.density, with_parts(method.field)) == (name, density_name, with_parts(config))
    assert method.num_frames == (
        7 if config.residual_layers or isinstance(chosen(config.condition), LatentCodeConditionConfig) else None
    )


def with_parts(config: DynamicFieldConfig) -> DynamicFieldConfig:
    """The config with those of the chosen parts."""
    condition, warp, ambient = (chosen(part) for part in (config.condition, config.warp, config.ambient))
    return replace(config, condition=condition, warp=warp, ambient=ambient)


def _tensors(field: DynamicField) -> dict[str, Tensor]:
    """Parameters by released name and in released shape."""
    parameters = released_parameters(field).items()
    return {name: parameter.detach().reshape(released_shape(name, parameter)) for name, parameter in parameters}


def _source(name: str, density: str, capture: Path, **options: Any) -> DynamicModel:
    """A model as the released code could have trained it."""
    torch.manual_seed(0)
    config = deepcopy(METHODS[name].config.pipeline)
    assert isinstance(config, DynamicPipelineConfig) and isinstance(config.model, DynamicModelConfig)
    config.datamanager.data = capture
    config.model = replace(config.model, field=replace(FIELDS[name], **options), density=density)
    pipeline = config.setup(device="cpu", test_mode="inference")
    assert isinstance(pipeline, DynamicPipeline)
    perturb_parameters(pipeline.model, scale=0.03)
    pipeline.model.set_step(NUM_STEPS)
    _fill_a_third_of_the_box(pipeline.model)
    return pipeline.model.eval()


@torch.no_grad()
def _fill_a_third_of_the_box(model: DynamicModel) -> None:
    points = 2.0 * torch.rand(500, 3) - 1.0
    raw, _ = model.field.raw_and_feature(TimedPoints.at(points, 0.0))
    outward = model.field.density.outward
    bias = model.field.mlp.layers[-1].bias
    bias[0] -= outward * (outward * raw).quantile(1.0 / 3.0)


def _checkpoint(model: DynamicModel) -> dict[str, Any]:
    """What Lightning saves of a model."""
    tensors = {**_tensors(model.field), "scene_aabb": model.sampler.box.flatten()}
    if model.field.density.is_distance:
        tensors["deviation_net.beta_min"] = torch.tensor(1e-4)
    return {
        "epoch": 0,
        "global_step": NUM_STEPS,
        "pytorch-lightning_version": "1.6.5",
        "state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "best_model_path": "last.ckpt"}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"lr": 5e-4}]}],
        "lr_schedulers": [{"T_max": 400_000, "eta_min": 5e-5, "_last_lr": [5e-4]}],
    }


@pytest.fixture
def rf_import(monkeypatch: pytest.MonkeyPatch, demo_capture: Path, tmp_path: Path) -> Callable[..., Path]:
    """Run rf-import-released on `tmp_path`/last.ckpt and the demo capture; returns the run's config.yml."""

    def run(*options: str) -> Path:
        checkpoint, outputs = tmp_path / "last.ckpt", tmp_path / "outputs"
        common = [str(checkpoint), "--data", str(demo_capture), "--output-dir", str(outputs)]
        monkeypatch.setattr(sys, "argv", ["rf-import-released", *common, *options])
        import_released.entrypoint()
        (config,) = outputs.rglob("config.yml")
        return config

    return run


@over("source", SOURCES)
def test_an_imported_run_renders_what_its_source_renders(
    source: tuple[str, str], rf_import: Callable[..., Path], demo_capture: Path, tmp_path: Path
) -> None:
    name, density = source
    model = _source(name, density, demo_capture)
    torch.save(_checkpoint(model), tmp_path / "last.ckpt")
    config, pipeline, checkpoint, step = eval_setup(rf_import(), test_mode="inference")
    imported = pipeline.model
    assert isinstance(pipeline, DynamicPipeline) and isinstance(imported, DynamicModel)
    assert config.method_name == METHODS[name].config.method_name
    assert (with_parts(imported.config.field), imported.config.density) == (with_parts(FIELDS[name]), density)
    assert (checkpoint.name, step) == (f"step-{NUM_STEPS - 1:09d}.ckpt", NUM_STEPS - 1)
    cameras = deepcopy(pipeline.datamanager.eval_dataset.cameras)
    cameras.rescale_output_resolution(0.25)
    pictures = []
    for frame in (0, NUM_FRAMES - 1):
        ours, theirs = (each.get_outputs_for_camera(cameras[frame : frame + 1]) for each in (imported, model))
        for output in ("rgb", "accumulation", "depth", "normals"):
            torch.testing.assert_close(ours[output], theirs[output])
        pictures.append(ours["rgb"])
    assert pictures[0].std() > 0.01 and not torch.equal(*pictures)


def test_plain_baseline(
    rf_import: Callable[..., Path], demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = _source("tnerf", "nerf", demo_capture, residual_layers=())
    torch.save(_checkpoint(model), tmp_path / "last.ckpt")
    folder = rf_import().parent
    report = capsys.readouterr().out
    count = sum(parameter.numel() for parameter in model.parameters())
    for line in (
        "Method: tnerf with density nerf, colour by feature",
        "Residual layers: none",
        f"Frames: 4 (those of {demo_capture}; the checkpoint does not tell)",
        "Steps: 30000",
        f"Parameters: {count}",
        f"Wrote the run to {folder}",
    ):
        assert line in report.splitlines()


def test_an_imported_run_is_exported(
    rf_import: Callable[..., Path], demo_capture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(_checkpoint(_source("hypernerf", "volsdf", demo_capture)), tmp_path / "last.ckpt")
    meshes = tmp_path / "meshes"
    options = ["--load-config", str(rf_import()), "--output-dir", str(meshes), "--resolution", "16", "--frames", "1:3"]
    monkeypatch.setattr(sys, "argv", ["rf-export", *options])
    export.entrypoint()
    assert [path.name for path in sorted(meshes.glob("mesh_*"))] == ["mesh_000001.ply", "mesh_000002.ply"]
    assert trimesh.load_mesh(meshes / "mesh_000001.ply").volume > 0.0


class _Attack:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.mkdir, (self.folder,)


def _without(*names: str) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for name in names:
            del content["state_dict"][name]

    return change


def _with(**tensors: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["state_dict"].update({f"model.{name}": value for name, value in tensors.items()})


def _both(*changes: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        for each in changes:
            each(content)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without("model.color_net.lin1.bias"), r"tnerf \(volsdf\); color_net.lin1.bias: expected \[3\], found none$"),
        (
            _with(**{"sdf_net.lin3.weight": torch.zeros(88, 87)}),
            r"tnerf \(volsdf\); sdf_net.lin3.weight: expected \[88, 88\], found \[88, 87\]$",
        ),
        (_with(ambient_codes=torch.zeros(4, 2)), r"tnerf \(volsdf\); ambient_codes: expected none, found \[4, 2\]$"),
        (
            _both(_without("model.deviation_net.beta", "model.sdf_net.lin0.bias"), _with(extra=torch.zeros(2))),
            r"sdf_net.lin0.bias: expected \[88\].*deviation_net.beta: expected \[\], found none; extra: expected none",
        ),
        (_with(**{"deviation_net.beta_min": torch.tensor(0.01)}), "deviation_net.beta_min: expected 0.0001, found 0.0"),
        (_with(scene_aabb=torch.ones(6)), r"--data: expected a capture with the scene box .*\[1.0, .*aabb.txt"),
        (_with(scene_aabb="box"), "model.scene_aabb: expected a plain tensor of real numbers, found str"),
        (lambda content: content.pop("global_step"), "expected a Lightning checkpoint with state_dict and global_step"),
        (lambda content: content.update(global_step=-1), "global_step: expected a number of steps, found -1"),
        (lambda content: content.update(state_dict={}), "state_dict: expected named tensors, found dict"),
        (
            lambda content: content.update(state_dict={"net.0": torch.zeros(2)}),
            "state_dict: expected names that start with 'model.', found 'net.0'",
        ),
        (
            lambda content: content.update(state_dict={"model.net.0.weight": torch.zeros(2, 2)}),
            r"last.ckpt: expected a dynamic field \(sdf_net.lin0.weight and so on\), found no such parameters",
        ),
    ],
)
def test_checkpoints_that_do_not_fit(
    change: Callable[[dict[str, Any]], None],
    message: str,
    rf_import: Callable[..., Path],
    demo_capture: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content = _checkpoint(_source("tnerf", "volsdf", demo_capture))
    change(content)
    torch.save(content, tmp_path / "last.ckpt")
    _expect_one_line(rf_import, tmp_path, capsys, message)


def _expect_one_line(
    command: Callable[[], object], tmp_path: Path, capsys: pytest.CaptureFixture[str], message: str
) -> None:
    """A command fails with one line and writes nothing."""
    with pytest.raises(SystemExit) as stopped:
        command()
    assert stopped.value.code == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Error: ")]
    assert pytest.RaisesExc(ValueError, match=message).matches(ValueError(line))
    assert not (tmp_path / "outputs").exists()


def test_wrong_number_of_frames(
    rf_import: Callable[..., Path], demo_capture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(_checkpoint(_source("dynerf", "volsdf", demo_capture)), tmp_path / "last.ckpt")
    message = r"--frames: expected the 4 frames that .*last.ckpt was trained on, found 3 in .*--frames 0:4"
    _expect_one_line(lambda: rf_import("--frames", "0:3"), tmp_path, capsys, message)
    rf_import("--frames", "0:4")


@pytest.mark.parametrize("cut", [0, 2, 500])
def test_files_of_other_kinds(
    cut: int, rf_import: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _expect_one_line(
        rf_import, tmp_path, capsys, "last.ckpt: expected a checkpoint of the released code, found no such"
    )
    torch.save({"state_dict": {"model.sdf_net": torch.zeros(99)}, "global_step": 1}, tmp_path / "last.ckpt")
    (tmp_path / "last.ckpt").write_bytes((tmp_path / "last.ckpt").read_bytes()[:cut])
    _expect_one_line(
        rf_import, tmp_path, capsys, "last.ckpt: expected .*, found (a file of another kind|a broken file)$"
    )


def test_code_in_a_checkpoint_is_not_run(
    rf_import: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"state_dict": {}, "global_step": _Attack(tmp_path / "attacked")}, tmp_path / "last.ckpt")
    _expect_one_line(
        rf_import, tmp_path, capsys, r"expected tensors and plain values, which alone are loaded, found getattr"
    )
    assert not (tmp_path / "attacked").exists()
