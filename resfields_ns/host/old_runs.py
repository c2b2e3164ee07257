"""Runs of earlier versions: the `config.yml` of a run names classes by their paths, some of which have moved since."""

import yaml

_PACKAGE = "resfields_ns"
_TAGS = "tag:yaml.org,2002:python"
MOVED = {
    "data.capture_datamanager.CaptureDataManager": "data.dynamic_data.DynamicDataManager",
    "data.video_datamanager.VideoDataManager": "data.video_data.VideoDataManager",
    "engine.optimizers.FusedAdam": "host.trainer.FusedAdam",
    "engine.schedulers.CosineDecay": "host.trainer.CosineDecay",
    "engine.trainer.ResFieldsTrainer": "host.trainer.ResFieldsTrainer",
    "fields.ambient.hexplane.HexPlane": "fields.hexplane.HexPlane",
    "fields.ambient.hexplane.HexPlaneAmbient": "fields.hexplane.HexPlaneAmbient",
    "fields.ambient.moment.MomentAmbient": "fields.ambient.MomentAmbient",
    "fields.ambient.none.NoAmbient": "fields.ambient.NoAmbient",
    "fields.ambient.slicing.SlicingNetwork": "fields.ambient.SlicingNetwork",
    "fields.flows.scene_flow_field.SceneFlowField": "fields.sceneflow_field.SceneFlowField",
    "fields.warps.bijective.BijectiveWarp": "fields.bijective_warp.BijectiveWarp",
    "fields.warps.identity.IdentityWarp": "fields.warps.IdentityWarp",
    "fields.warps.se3.SE3Warp": "fields.warps.SE3Warp",
    "fields.warps.translation.TranslationWarp": "fields.warps.TranslationWarp",
    "models.ray_model.DynamicRayModel": "models.dynamic_model.DynamicModel",
    "models.scene_flow_model.SceneFlowModel": "models.sceneflow_model.SceneFlowModel",
    "models.temporal_sdf_model.TemporalSDFModel": "models.sdf_model.SDFModel",
    "pipelines.scene_flow_pipeline.SceneFlowPipeline": "pipelines.sceneflow_pipeline.SceneFlowPipeline",
    "pipelines.surface_pipeline.SurfacePipeline": "pipelines.sdf_pipeline.SDFPipeline",
    "surfaces.flow_datamanager.FlowDataManager": "data.sceneflow_data.SceneFlowDataManager",
    "surfaces.surface_datamanager.SurfaceDataManager": "data.sdf_data.SDFDataManager",
}
"""Path within the package in version 0.1.0, before its rooms were made anew, and now; that of the config ends alike."""


def know_moved_classes() -> None:
    """Let nerfstudio's commands, which read a config with `yaml.Loader`, find the classes that have moved."""
    for old, new in MOVED.items():
        for ending in ("", "Config"):
            _alias(f"{_PACKAGE}.{old}{ending}", f"{_PACKAGE}.{new}{ending}")


def _alias(old: str, new: str) -> None:
    yaml.add_constructor(
        f"{_TAGS}/object:{old}", lambda loader, node: loader.construct_python_object(new, node), Loader=yaml.Loader
    )
    yaml.add_constructor(
        f"{_TAGS}/name:{old}", lambda loader, node: loader.construct_python_name(new, node), Loader=yaml.Loader
    )
