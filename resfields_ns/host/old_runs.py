"""Runs of earlier versions and of other systems: what their `config.yml` and their checkpoints name otherwise, or hold
in another shape.

A `config.yml` names classes by their paths, some of which have moved since.
"""

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml
from torch import Tensor

_PACKAGE = "resfields_ns"
_TAGS = "tag:yaml.org,2002:python"
MOVED = {
    "data.capture_datamanager.CaptureDataManager": "data.dynamic_data.DynamicDataManager",
    "data.video_datamanager.VideoDataManager": "data.video_data.VideoDataManager",
    "engine.optimizers.FusedAdam": "host.optimization.FusedAdam",
    "engine.schedulers.CosineDecay": "host.optimization.CosineDecay",
    "engine.trainer.ResFieldsTrainer": "host.trainer.ResFieldsTrainer",
    "fields.ambient.hexplane.HexPlane": "fields.hexplane.HexPlane",
    "fields.ambient.hexplane.HexPlaneAmbient": "fields.hexplane.HexPlaneAmbient",
    "fields.ambient.moment.MomentAmbient": "fields.ambient.MomentAmbient",
    "fields.ambient.none.NoAmbient": "fields.ambient.NoAmbient",
    "fields.ambient.slicing.SlicingNetwork": "fields.ambient.SlicingNetwork",
    "fields.conditions.CodeCondition": "fields.conditions.LatentCodeCondition",
    "fields.flows.scene_flow_field.SceneFlowField": "fields.sceneflow_field.SceneFlowField",
    "fields.warps.bijective.BijectiveWarp": "fields.bijective_warp.BijectiveWarp",
    "fields.warps.identity.IdentityWarp": "fields.warps.IdentityWarp",
    "fields.warps.se3.SE3Warp": "fields.warps.SE3Warp",
    "fields.warps.translation.TranslationWarp": "fields.warps.TranslationWarp",
    "host.trainer.CosineDecay": "host.optimization.CosineDecay",
    "host.trainer.FusedAdam": "host.optimization.FusedAdam",
    "models.ray_model.DynamicRayModel": "models.dynamic_model.DynamicModel",
    "models.scene_flow_model.SceneFlowModel": "models.sceneflow_model.SceneFlowModel",
    "models.temporal_sdf_model.TemporalSDFModel": "models.sdf_model.SDFModel",
    "pipelines.scene_flow_pipeline.SceneFlowPipeline": "pipelines.sceneflow_pipeline.SceneFlowPipeline",
    "pipelines.surface_pipeline.SurfacePipeline": "pipelines.sdf_pipeline.SDFPipeline",
    "surfaces.flow_datamanager.FlowDataManager": "data.sceneflow_data.SceneFlowDataManager",
    "surfaces.surface_datamanager.SurfaceDataManager": "data.sdf_data.SDFDataManager",
}
"""Path within the package as earlier versions had it, and now; that of the config ends alike."""
RENAMED_STATE = {
    r"_model\.density\.": "_model.field.density.",
}
"""Patterns at the start of names in a pipeline's state, and what stands in their place now."""
CHUNKS = "_model.chunks."
"""How names of the models begin that a joined run holds."""


_NOW = {f"{_PACKAGE}.{old}{end}": f"{_PACKAGE}.{new}{end}" for old, new in MOVED.items() for end in ("", "Config")}
PATHS = {
    f"{module}.{kind}"
    for module in ("pathlib", "pathlib._local")
    for kind in ("Path", "PosixPath", "PurePosixPath", "WindowsPath", "PureWindowsPath")
}
"""What configs name paths by."""


def present_name(name: str) -> str:
    """What a class of an earlier version is named by now; other names stay as they are."""
    return _NOW.get(name, name)


def know_moved_classes() -> None:
    """Let nerfstudio's commands, which read a config with `yaml.Loader`, find the classes that have moved."""
    for old, new in _NOW.items():
        _alias(old, new)


def know_paths() -> None:
    """Let them find paths that a config names by another system's classes, or by those of another Python."""
    for name in PATHS:
        yaml.add_constructor(f"{_TAGS}/object/apply:{name}", path_of_node, Loader=yaml.Loader)


def path_of_node(loader: yaml.Loader | yaml.SafeLoader, node: Any) -> Path:
    """The path that a config names."""
    flavour = PureWindowsPath if "Windows" in node.tag else PurePosixPath
    return Path(flavour(*loader.construct_sequence(node)).as_posix())


def _alias(old: str, new: str) -> None:
    yaml.add_constructor(
        f"{_TAGS}/object:{old}", lambda loader, node: loader.construct_python_object(new, node), Loader=yaml.Loader
    )
    yaml.add_constructor(
        f"{_TAGS}/name:{old}", lambda loader, node: loader.construct_python_name(new, node), Loader=yaml.Loader
    )


def renewed_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state of a pipeline under present names and in present shapes; one of this version stays as it is.

    Layers in chunks with a single shared weight had a deviation of that weight, too; it is added to the weight.
    """
    renewed = {_renamed(name): tensor for name, tensor in state.items()}
    for name in _single_deviations(renewed):
        weight = name.removesuffix("deviations") + "weight"
        renewed[weight] = renewed[weight] + renewed.pop(name)[0]
    return renewed


def check_resumable(state: Mapping[str, Tensor], where: str) -> None:
    """Raise ValueError for the state of a pipeline that no optimizer can go on with: of a joined run, or one whose
    parameters are no more those that it holds numbers of; `where` names it."""
    if any(name.startswith(CHUNKS) for name in state):
        raise ValueError(
            f"{where}: expected a run that was trained as one, found a joined run, which is not trained further: train "
            "those that it was made of, and join them again (rf-join)"
        )
    if _single_deviations(state):
        raise ValueError(
            f"{where}: expected a run of this version, found one that an earlier version trained in residual chunks "
            "alone, with two shared weights a layer: it can be rendered and evaluated; to train on, start anew"
        )


def renewed_model_options(options: dict[str, Any]) -> dict[str, Any]:
    """The options of a dynamic model in an old config: the weight of the total variation is now the planes' own."""
    if "total_variation_weight" not in options:
        return options
    options = dict(options)
    weight, ambient = options.pop("total_variation_weight"), options["field"].ambient
    if hasattr(ambient, "total_variation_weight"):
        ambient.total_variation_weight = weight
    return options


def _renamed(name: str) -> str:
    for pattern, present in RENAMED_STATE.items():
        if match := re.match(pattern, name):
            return present + name[match.end() :]
    return name


def _single_deviations(state: Mapping[str, Tensor]) -> list[str]:
    return [name for name, tensor in state.items() if name.endswith(".deviations") and len(tensor) == 1]
