"""Scene flow of tracked vertices (paper, 4.4): where every point of a moving mesh goes next, and where it came from.

`--pipeline.model.field.motion` chooses offset vectors, rigid transformations or trajectories of cosines;
`--pipeline.model.field.residual-layers` without values gives the plain baseline of each. The paper does not tell how
long it trains here: batches and steps are those of its SDFs of the same sequences (A.3), rates those of its A.4.
"""

import torch
from nerfstudio.configs.base_config import MachineConfig, ViewerConfig
from nerfstudio.plugins.types import MethodSpecification

from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.engine.optimizers import FusedAdamConfig
from resfields_ns.engine.schedulers import CosineDecayConfig
from resfields_ns.engine.trainer import ResFieldsTrainerConfig
from resfields_ns.models.scene_flow_model import SceneFlowModelConfig
from resfields_ns.pipelines.scene_flow_pipeline import SceneFlowPipelineConfig
from resfields_ns.surfaces.flow_datamanager import FlowDataManagerConfig

sceneflow_resfields = MethodSpecification(
    config=ResFieldsTrainerConfig(
        method_name="sceneflow-resfields",
        max_num_iterations=200_000,
        steps_per_save=2_000,
        steps_per_eval_batch=1_000,
        steps_per_eval_image=5_000,
        steps_per_eval_all_images=20_000,
        pipeline=SceneFlowPipelineConfig(
            datamanager=FlowDataManagerConfig(dataparser=DeformingThingsConfig()), model=SceneFlowModelConfig()
        ),
        optimizers={"field": {"optimizer": FusedAdamConfig(lr=5e-4), "scheduler": CosineDecayConfig()}},
        machine=MachineConfig(device_type="cuda" if torch.cuda.is_available() else "cpu"),
        viewer=ViewerConfig(websocket_host="127.0.0.1", quit_on_train_completion=True),
        vis="viewer+tensorboard",
    ),
    description="Scene flow of a moving mesh, forward and backward, with residual layers.",
)
