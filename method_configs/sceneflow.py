"""Scene flow of tracked vertices (paper, 4.4): where every point of a moving mesh goes next, and where it came from.

`--pipeline.model.field.motion` chooses offset vectors, rigid transformations or trajectories of cosines;
`--pipeline.model.field.residual-layers` without values gives the plain baseline of each. The paper does not tell how
long it trains here: batches and steps are those of its SDFs of the same sequences (A.3), rates those of its A.4.
"""

from resfields_ns.data.sceneflow_data import SceneFlowDataManagerConfig
from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.sceneflow_model import SceneFlowModelConfig
from resfields_ns.pipelines.sceneflow_pipeline import SceneFlowPipelineConfig

sceneflow_resfields = method_specification(
    ResFieldsTrainerConfig(
        method_name="sceneflow-resfields",
        max_num_iterations=200_000,
        steps_per_eval_all_images=20_000,
        pipeline=SceneFlowPipelineConfig(
            datamanager=SceneFlowDataManagerConfig(dataparser=DeformingThingsConfig()), model=SceneFlowModelConfig()
        ),
        optimizers={"field": decaying_adam(5e-4)},
        vis="viewer+tensorboard",
    ),
    "Scene flow of a moving mesh, forward and backward, with residual layers.",
)
