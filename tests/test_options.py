"""Options never lie: bounds hold, and what a user sets acts or is refused."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import tyro
from nerfstudio.configs.method_configs import AnnotatedBaseConfigUnion

from resfields_ns.fields.parts import AmbientOptions, WarpOptions
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.dynamic_model import DynamicModelConfig
from resfields_ns.options import Options, PartOptions, Traits, settings
from tests.cases import over
from tests.methods import METHODS, tiny_config

_ROOT = Path(__file__).resolve().parent.parent

_IDLE = """
tnerf      |                          | --project-name mine               | vis is viewer+tensorboard
tnerf      |                          | --load-step 5                     | load-dir is None
tnerf      | --load-dir run           | --load-checkpoint step.ckpt       | load-dir is run
tnerf      | --vis tensorboard        | --start-paused True               | vis is tensorboard
tnerf      | --vis tensorboard        | --viewer.websocket-port 7010      | vis is tensorboard
sdf | --machine.device-type cpu | --mixed-precision True | machine.device-type is cpu, whose bfloat16 is too
tnerf      | --machine.device-type cpu | --use-grad-scaler True            | machine.device-type is cpu
tnerf      |                          | --load-scheduler False            | load-dir is None and load-checkpoint is None
tnerf      | --vis viewer             | --log-gradients True              | vis is viewer
tnerf      | --vis viewer             | --steps-per-eval-batch 5          | vis is viewer
tnerf      | --vis viewer             | --steps-per-eval-image 5          | vis is viewer
tnerf      | --vis viewer_legacy      | --steps-per-eval-all-images 5     | vis is viewer_legacy
tnerf      | --vis viewer             | --pipeline.datamanager.eval-num-rays-per-batch 5 | vis is viewer
sdf | --pipeline.datamanager.supervision occupancy | --pipeline.datamanager.far-weight 2.0 | supervision is occupancy
video      | --steps-per-eval-batch 0 | --pipeline.datamanager.eval-samples-per-batch 5 | steps-per-eval-batch is 0
tnerf      |                          | --machine.machine-rank 1          | num-machines is 1
tnerf      |                          | --machine.dist-url tcp://here:1   | num-devices and num-machines are 1
tnerf      | --machine.num-devices 2  | --pipeline.cuda-graph True        | 2 processes train
tnerf      | --machine.num-devices 2  | model.compile True                | 2 processes train
tnerf      | model.compile True       | --pipeline.cuda-graph True        | model.compile is True, not False
tnerf      | --machine.num-devices 3  | --start-paused True               | 3 processes train
tnerf      | --vis viewer             | --logging.relative-log-dir logs   | vis is viewer and logging.profiler is basic
tnerf      | --vis viewer --logging.local-writer.enable False | --logging.steps-per-log 5 | vis is viewer and
tnerf      | --viewer.websocket-port 7010 | --viewer.websocket-port-default 7011 | websocket-port is 7010
tnerf      | --viewer.image-format png | --viewer.jpeg-quality 50         | image-format is png, not jpeg
tnerf      | --vis viewer_legacy      | --viewer.jpeg-quality 50          | vis is viewer_legacy
tnerf      | --vis viewer_legacy      | --viewer.image-format png         | vis is viewer_legacy
tnerf      | --vis viewer_legacy      | --viewer.make-share-url True      | vis is viewer_legacy
tnerf      | --vis viewer_legacy      | --viewer.camera-frustum-scale 0.2 | vis is viewer_legacy
tnerf      | --vis viewer_legacy      | --viewer.default-composite-depth False | vis is viewer_legacy
tnerf      | --load-config run/config.yml | --steps-per-save 5                | load-config replaces all options
tnerf      |                          | --optimizers.planes.optimizer.lr 1.0 | the model has no parameters in the group
hexplane   | field.ambient.kind none  | --optimizers.planes.optimizer.lr 1.0 | the model has no parameters in the group
tnerf      |                          | --optimizers.colour-correction.optimizer.lr 1.0 | the model has no parameters
tnerf      |                          | --optimizers.camera-poses.optimizer.lr 1.0 | the model has no parameters in the
tnerf      | model.refine-poses True  | --optimizers.camera-times.optimizer.lr 1.0 | the model has no parameters in the
tnerf      | field.ambient.kind none field.residual-layers | model.refine-times True | nothing of the field changes
tnerf      | model.density nerf       | model.initial-beta 0.2            | density is nerf, not volsdf
tnerf      |                          | model.surface-density 0.2         | density is volsdf, not nerf
tnerf      |                          | model.density-scale 7.5           | density is volsdf, not nerf
tnerf      | model.density nerf       | model.eikonal-loss-weight 0.2     | density is nerf, not volsdf
tnerf      | model.density nerf       | model.eikonal-fraction 0.2        | density is nerf, not volsdf
tnerf      | model.eikonal-loss-weight 0 | model.eikonal-fraction 0.2        | eikonal-loss-weight is 0.0
tnerf      | model.density nerf       | model.sparsity-loss-weight 0.2    | density is nerf, not volsdf
tnerf-rgbd | model.density nerf       | model.sparsity-start-step 2       | density is nerf, not volsdf
tnerf      |                          | model.sparsity-start-step 2       | sparsity-loss-weight is 0.0
tnerf      | model.background field   | model.background-color black      | background is field
tnerf      | model.background field   | model.colour-correction gain      | background is field, not color
tnerf      | model.background plate   | model.background-start-steps 2    | background is plate, not field
tnerf      | model.background plate   | --optimizers.background.optimizer.lr 1.0 | the model has no parameters in
tnerf      |                          | model.coarse-loss-weight 0.2      | sampler.kind is uniform, not hierarchical
tnerf      |                          | model.coarse-network True         | sampler.kind is uniform, not hierarchical
tnerf      | model.background field   | model.whole-pictures True         | background is field, not color
tnerf      |                          | model.sampler.num-fine-samples 2  | kind is uniform, not hierarchical
tnerf      |                          | model.sampler.renewal-steps 2     | kind is uniform, not learned-occupancy
tnerf      | model.sampler.kind hierarchical | model.sampler.num-surface-samples 8 | kind is hierarchical
tnerf      | model.density nerf       | model.sampler.num-picture-samples 8 | density is nerf, not volsdf
tnerf      | model.eikonal-loss-weight 0 | model.sampler.num-picture-samples 8 | eikonal-loss-weight is 0
tnerf      |                          | model.sampler.resolution 2        | kind is uniform, not occupancy
tnerf      |                          | model.hull-start-rate 0.2         | hull-start-steps is 0
tnerf      |                          | model.hull-least-views 3          | sampler.kind is uniform and hull-start-steps
hexplane   |                          | model.window-steps 2              | no encoding of the field opens
tnerf      | field.encoding none      | field.num-frequencies 2           | encoding is none, not positional
tnerf      |                          | field.gaussian-waves 2            | encoding is positional, not gaussian
tnerf      |                          | field.gaussian-scale 2.0          | encoding is positional, not gaussian
tnerf      | field.ambient.kind none  | field.condition.kind latent-code  | neither warp nor ambient coordinates
tnerf      |                          | field.condition.dim 2             | kind is time
tnerf      |                          | field.warp.hidden-dim 2           | kind is none
tnerf      |                          | field.warp.num-frequencies 2      | kind is none
tnerf      | field.warp.kind bijective | field.warp.num-layers 2           | kind is bijective
tnerf      | field.warp.kind bijective | field.warp.skip-layer 2           | kind is bijective
tnerf      | field.ambient.kind none  | field.ambient.num-frequencies 2   | kind is none
tnerf      |                          | field.ambient.num-coordinates 2   | kind is moment
tnerf      |                          | field.ambient.num-layers 2        | kind is moment
tnerf      |                          | field.ambient.hidden-dim 2        | kind is moment
tnerf      |                          | field.ambient.skip-layer 2        | kind is moment
tnerf      |                          | field.ambient.num-ambient-frequencies 2 | kind is moment
tnerf      |                          | field.ambient.resolution 2        | kind is moment
hexplane   | field.ambient.kind slicing | field.ambient.features 2          | kind is slicing
tnerf      |                          | field.ambient.total-variation-weight 0.2 | kind is moment
tnerf      |                          | field.ambient.num-grids 2         | kind is moment
hexplane   |                          | field.ambient.log2-table-size 9   | kind is hexplane
sceneflow  | field.motion se3         | field.num-cosines 2               | motion is se3, not dct
video      | model.network hash-grid  | field.hidden-dim 2                | network is hash-grid
video      |                          | model.hash-grid.hidden-dim 2      | network is siren, not hash-grid
video      |                          | model.encoding.num-frequencies 2  | network is siren, not relu-positional
video      | model.network relu       | field.first-omega 2.0             | network is relu, not siren
video      | model.network relu       | model.encoding.gaussian-waves 2   | network is relu, not gaussian
video      |                          | model.encoding.gaussian-scale 2.0 | network is siren, not gaussian
sdf        |                          | model.codes.prior-weight 2.0      | dim is 0
sdf        |                          | --optimizers.codes.optimizer.lr 1.0 | the model has no parameters in the
sdf        | model.network gaussian   | field.first-omega 2.0             | network is gaussian, not siren
sdf        | model.network gaussian   | model.encoding.num-frequencies 2  | network is gaussian, not relu-positional
sdf        |                          | model.encoding.gaussian-waves 2   | network is siren, not gaussian
sdf        |                          | model.encoding.gaussian-scale 2.0 | network is siren, not gaussian
video      | video-frames --held-out-pixels 0 | --hold-out-seed 2         | held-out-pixels is 0.0 and held-out-frames
video      | video-frames --inpaint a.png | --held-out-pixels 0.2         | inpaint is a.png
video      | video-frames --inpaint a.png | --held-out-frames 0.2         | inpaint is a.png
video      | --pipeline.datamanager.supervision gradients video-frames | --inpaint a.png | supervision is gradients, not
video      | video-frames             | --blend-with a.png                | supervision is values, not gradients
audio      | sound-windows            | --hold-out-seed 2                 | held-out-samples is 0.0
"""
"""Method, what it is asked for, an option that then does nothing, and why; `-resfields` is left out of the method."""

_IDLE_RESIDUALS = """
residual-layers         | residual cp              | residual-layers is empty
residual-layers         | rank 2                   | residual-layers is empty
residual-layers         | matrix-rank 2            | residual-layers is empty
residual-layers         | coefficient-fraction 0.5 | residual-layers is empty
residual-layers         | coefficients spline      | residual-layers is empty
residual-layers         | smoothness-weight 2.0    | residual-layers is empty
residual-layers         | weight-chunks 2          | residual-layers is empty
residual-layers         | residual-chunks 2        | residual-layers is empty
residual output         | rank 2                   | residual is output
residual frame-matrices | rank 2                   | residual is frame-matrices
residual cp             | matrix-rank 2            | residual is cp, not tucker
residual hypernetwork   | coefficient-fraction 0.5 | residual is hypernetwork
residual hypernetwork   | coefficients spline      | residual is hypernetwork
residual experts        | smoothness-weight 2.0    | residual is experts
residual cp             | weight-chunks 2          | residual is cp, not low-rank
residual direct         | residual-chunks 2        | residual is direct, not low-rank
"""
"""The same for every method with residual layers, below its field."""

_WITH_RESIDUALS = ("tnerf", "video", "sdf", "sceneflow", "audio")

_OVER_TIME = (
    *("residual-layers 1", "residual cp", "rank 2", "coefficient-fraction 0.5", "coefficients spline"),
    *("smoothness-weight 2.0", "weight-chunks 2", "residual-chunks 2"),
)
_OF_MOMENTS = {
    "video": [f"model.field.{setting}" for setting in _OVER_TIME],
    "tnerf": ["model.field.residual-layers 1", "datamanager.frames-per-batch 2", "model.refine-times True"],
    "dynerf": [f"model.field.{setting}" for setting in ("condition.kind time", "condition.dim 2")],
    "hypernerf": [
        *(f"model.field.warp.{setting}" for setting in ("kind none", "num-layers 7", "hidden-dim 64")),
        *(f"model.field.warp.{setting}" for setting in ("skip-layer 3", "num-frequencies 2")),
        *(f"model.field.ambient.{setting}" for setting in ("kind moment", "num-coordinates 3", "num-layers 8")),
        *(f"model.field.ambient.{setting}" for setting in ("hidden-dim 65", "skip-layer 3", "num-frequencies 2")),
        "model.field.ambient.num-ambient-frequencies 2",
    ],
}
"""Options of methods that do nothing over one frame."""

_NEEDS_DATA = {
    "--pipeline.chamfer-resolution 64": "clouds",
    "--pipeline.surface-points 64": "clouds",
    **{f"{of}-resfields --pipeline.{row}": "second frame" for of, rows in _OF_MOMENTS.items() for row in rows},
    "--pipeline.model.opacity-loss-weight 0.5": "masks or background",
    "--pipeline.datamanager.background-margin 0.5": "masks",
    "--pipeline.model.whole-pictures True": "masks",
    "owlii --mask-threshold 5": "masks",
    "owlii --depth-kind ray": "depth",
    "owlii --depth-unit 0.01": "depth",
    "dnerf-capture --mask-threshold 5": "masks",
    "kinect-rgbd --mask-threshold 5": "masks",
}
"""Options, of tnerf-resfields if no method is told, that do nothing where the data lack something."""


@dataclass(frozen=True)
class Idle:
    """An option that does nothing beside a choice."""

    method: str
    choice: list[str]
    setting: list[str]
    why: str


def _idle() -> Iterator[Idle]:
    rows = _cells(_IDLE)
    for choice, setting, why in _cells(_IDLE_RESIDUALS):
        rows += [[method, f"field.{choice}", f"field.{setting}", why] for method in _WITH_RESIDUALS]
        if choice == "residual-layers":  # other choices have no second derivative by time, which waves need
            rows.append(["wave", f"field.{choice}", f"field.{setting.replace('spline', 'linear')}", why])
    for method, choice, setting, why in rows:
        name, _, size = method.partition("-")
        yield Idle(f"{name}-resfields{size and '-'}{size}", _arguments(choice), _arguments(setting), why)


def _cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]


def _arguments(text: str) -> list[str]:
    text = re.sub(r"\bfield\.", "model.field.", text)
    return re.sub(r"(^|(?<= ))model\.", "--pipeline.model.", text).split()


def preset(method: str) -> ResFieldsTrainerConfig:
    """The config of a method."""
    config = METHODS[method].config
    assert isinstance(config, ResFieldsTrainerConfig)
    return config


def parse(*arguments: str) -> ResFieldsTrainerConfig:
    """The config that ns-train makes of its arguments."""
    return tyro.cli(AnnotatedBaseConfigUnion, args=arguments)  # pyright: ignore[reportArgumentType, reportCallIssue]


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What ns-train says of arguments that it refuses, as one line."""
    with pytest.raises(SystemExit):
        parse(*arguments)
    return as_one_line(capsys)


def as_one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """What was said, without the frames around it."""
    return " ".join(re.sub("[│─╭╮╰╯]", " ", "".join(capsys.readouterr())).split())


def _stands_in(path: str, config: Any) -> bool:
    for name in path.split("."):
        if not hasattr(config, name):
            return False
        config = getattr(config, name)
    return True


def _conditional(config: Any, path: str = "") -> Iterator[str]:
    """Paths of the options of a tree of configs, or of what holds them, that may do nothing."""
    if isinstance(config, dict):
        for key, value in config.items():
            yield from _conditional(value, f"{path}{key}.")
    if not is_dataclass(config) or isinstance(config, type):
        return
    if isinstance(config, Options):
        yield from (path + below for below in config.below if _stands_in(below, config))
    for entry in fields(config):
        may_not_act = (
            entry.name not in ("_target", "kind") if isinstance(config, PartOptions) else Traits.of(entry).acts
        )
        if may_not_act:
            yield path + entry.name
        yield from _conditional(getattr(config, entry.name), f"{path}{entry.name}.")


@pytest.mark.parametrize("idle", list(_idle()), ids=lambda idle: " ".join((idle.method, *idle.choice, *idle.setting)))
def test_what_does_nothing_is_refused(idle: Idle, capsys: pytest.CaptureFixture[str]) -> None:
    name, value = idle.setting
    said = refusal(capsys, idle.method, *idle.choice, *idle.setting)
    message = f" {name}: expected [^,]+, as it does nothing while {re.escape(idle.why)}.*, got {re.escape(value)} "
    assert re.search(message, said), said


@pytest.mark.parametrize("method", METHODS)
def test_every_option_that_may_do_nothing_is_in_the_table(method: str) -> None:
    config = preset(method)
    for path in _conditional(config):
        start = path.removeprefix("pipeline.datamanager.dataparser.") + "."
        assert any(
            (idle.setting[0].removeprefix("--").replace("-", "_") + ".").startswith(start)
            for idle in _idle()
            if not start.startswith("pipeline.model.")
            or type(preset(idle.method).pipeline.model) is type(config.pipeline.model)
        ), path


@pytest.mark.parametrize("method", METHODS)
def test_a_preset_is_accepted_as_it_is(method: str) -> None:
    config = parse(method)
    assert config == preset(method)
    config.check_options()


@pytest.mark.parametrize(
    "arguments",
    [
        "tnerf-resfields-small --pipeline.model.density nerf",
        "tnerf-resfields-small --pipeline.model.density nerf --method-name mine",
        "tnerf-resfields-rgbd --pipeline.model.density nerf",
        "hexplane-resfields --pipeline.model.field.ambient.kind none",
        "dnerf-resfields --pipeline.model.field.warp.kind none",
        "video-resfields-small --pipeline.model.network hash-grid",
    ],
)
def test_what_a_preset_sets_may_lie_idle(arguments: str) -> None:
    parse(*arguments.split())


def test_a_preset_is_known_under_another_name(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, *["tnerf-resfields", "--method-name", "mine", "--pipeline.model.sampler.resolution", "32"])
    assert "--pipeline.model.sampler.resolution: expected 64, as it does nothing while kind is uniform" in said


def test_options_that_were_set_in_python_are_checked_before_training(tmp_path: Path) -> None:
    config = tiny_config(METHODS["tnerf-resfields"], tmp_path, tmp_path)
    config.pipeline.model.sampler.resolution = 8  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="^--pipeline.model.sampler.resolution: expected 64, as it does nothing while"):
        config.setup(local_rank=0, world_size=1)
    config.pipeline.model.sampler.resolution = 0  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match="^sampler.resolution: expected at least 1, got 0$"):
        config.setup(local_rank=0, world_size=1)


def test_a_config_that_no_method_made_is_free() -> None:
    config = replace(preset("tnerf-resfields"), preset=None)
    config.pipeline = replace(config.pipeline, model=DynamicModelConfig(density="nerf", initial_beta=0.3))
    config.check_options()


def test_a_method_of_somebody_else_has_its_own_preset() -> None:
    base = replace(preset("tnerf-resfields"), method_name="mine", preset=None)
    model = DynamicModelConfig(density="nerf", initial_beta=0.3)
    method = method_specification(replace(base, pipeline=replace(base.pipeline, model=model)), "Mine.")
    mine = replace(method.config)
    model.initial_beta = 0.4
    with pytest.raises(ValueError, match="^--pipeline.model.initial-beta: expected 0.3, as"):
        replace(mine)


@over("text", {text: text for text in _NEEDS_DATA})
def test_what_the_data_have_nothing_for_is_refused(text: str) -> None:
    needed = _NEEDS_DATA[text]
    config = parse(*(() if needed == "second frame" else ("tnerf-resfields",)), *text.split())
    name, value = text.split()[-2:]
    config.check_data({})
    with pytest.raises(
        ValueError, match=f"^{name}: expected .*, as it does nothing while capture has no {needed}, got {value}$"
    ):
        config.check_data({needed: "capture"})


@pytest.mark.parametrize("method", METHODS)
def test_every_option_that_needs_data_is_in_the_table(method: str) -> None:
    tried = {text.split()[-2].removeprefix("--").replace("-", "_") for text in _NEEDS_DATA}
    for setting in settings(preset(method), preset(method)):
        is_of_another_part = (setting.obstacle or "").startswith("kind is")
        if setting.traits.data is not None and not is_of_another_part and not setting.path.endswith("._target"):
            assert setting.path.removeprefix("pipeline.datamanager.dataparser.") in tried


def test_a_capture_says_what_it_has_nothing_for(demo_capture: Path, tmp_path: Path) -> None:
    capture = Path(shutil.copytree(demo_capture, tmp_path / "bare", ignore=shutil.ignore_patterns("mask", "cloud")))
    config = tiny_config(METHODS["tnerf-resfields"], capture, tmp_path / "run")
    config.pipeline = replace(config.pipeline, chamfer_resolution=128, surface_points=100_000)
    config.setup(local_rank=0, world_size=1).setup()
    config.pipeline.datamanager.background_margin = 0.5  # pyright: ignore[reportAttributeAccessIssue]
    with pytest.raises(ValueError, match=f"^--pipeline.datamanager.background-margin: .* while {capture} has no masks"):
        config.setup(local_rank=0, world_size=1).setup()


def test_two_places_of_the_data_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, *["tnerf-resfields", "--data", "a", "owlii", "--data", "b"])
    assert "--data: expected one place of the data, got a by --data, b by the dataparser's --data" in said
    parse(*["tnerf-resfields", "--data", "a", "owlii", "--data", "a"])


def test_accumulating_gradients_of_no_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, *["tnerf-resfields", "--gradient-accumulation-steps", "fields", "2"])
    assert "--gradient-accumulation-steps: expected groups among field, planes, background, colour_correction, " in said


@pytest.mark.parametrize("method", ["video-resfields", "sdf-resfields", "sceneflow-resfields"])
def test_samples_may_be_called_rays_as_before(method: str) -> None:
    before, now = ("--pipeline.datamanager.train-num-rays-per-batch", "--pipeline.datamanager.samples-per-batch")
    assert parse(method, before, "50") == parse(method, now, "50") != parse(method)
    before, now = ("--pipeline.datamanager.eval-num-rays-per-batch", "--pipeline.datamanager.eval-samples-per-batch")
    assert parse(method, before, "50") == parse(method, now, "50") != parse(method)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            "field.warp.kind se3 field.warp.skip-layer 9",
            "warp.skip-layer: expected 1 to 5",
        ),
        ("field.ambient.kind hexplane field.ambient.features 0", "ambient.features"),
        (
            "field.ambient.kind hexplane field.condition.kind latent-code",
            "field.condition.kind: expected time for ambient.kind hexplane, got latent-code",
        ),
    ],
)
def test_parts_that_cannot_be_are_refused(arguments: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert message in refusal(capsys, "tnerf-resfields", *_arguments(arguments))


@over(
    "choice",
    {kind: f"--pipeline.model.field.warp.kind {kind}" for kind in WarpOptions.PARTS}
    | {kind: f"--pipeline.model.field.ambient.kind {kind}" for kind in AmbientOptions.PARTS},
)
def test_parts_that_are_chosen_on_the_command_line_are_trained(choice: str, demo_capture: Path, tmp_path: Path) -> None:
    method = replace(METHODS["tnerf-resfields"], config=parse("tnerf-resfields", *choice.split()))
    config = tiny_config(method, demo_capture, tmp_path)
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    has_planes = choice.endswith((" hexplane", " moving-grid"))
    assert set(trainer.optimizers.optimizers) == {"field"} | ({"planes"} if has_planes else set())


def test_schedules_that_outlast_the_run_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    config = preset("tnerf-resfields-rgbd")
    assert config.outlasting(600_000) == []
    window, sparsity = sorted(config.outlasting(1_500), reverse=True)
    assert window.startswith("--pipeline.model.window-steps is 50000, and the run ends at step 1500: the encodings do")
    assert sparsity.endswith(
        "sparsity-start-step is 70000, and the run ends at step 1500: the sparsity loss is never taken."
    )
    assert preset("tnerf-resfields").outlasting(60_000) == []
    assert preset("hexplane-resfields").outlasting(10) == []
