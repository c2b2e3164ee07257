"""Temporal signed distance functions (paper, 4.2; settings: A.3).

`--pipeline.datamanager.supervision` chooses signed distances, oriented points (for raw scans) or occupancy;
`--pipeline.model.field.residual-layers` without values gives the plain Siren.
"""

from dataclasses import replace

from resfields_ns.data.sdf_data import SDFDataManagerConfig
from resfields_ns.dataparsers.deforming_things import DeformingThingsConfig
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig
from resfields_ns.fields.conditions import CodeOptions
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.sdf_model import SDFModelConfig
from resfields_ns.pipelines.sdf_pipeline import SDFPipelineConfig

_sdf = ResFieldsTrainerConfig(
    method_name="sdf-resfields",
    max_num_iterations=200_000,
    steps_per_eval_all_images=200_000,
    pipeline=SDFPipelineConfig(
        datamanager=SDFDataManagerConfig(dataparser=DeformingThingsConfig()), model=SDFModelConfig()
    ),
    optimizers={"field": decaying_adam(5e-5), "codes": decaying_adam(1e-3)},
    vis="viewer+tensorboard",
)

sdf_resfields = method_specification(
    _sdf, "Temporal signed distance functions of a mesh sequence: Siren-256 with residual layers."
)

sdf_resfields_small = method_specification(
    replace(
        _sdf,
        method_name="sdf-resfields-small",
        max_num_iterations=1_500,
        steps_per_save=500,
        steps_per_eval_image=1_000,
        pipeline=SDFPipelineConfig(
            datamanager=SDFDataManagerConfig(
                dataparser=DeformingThingsConfig(), samples_per_batch=20_000, pool_samples=2_500_000, far_weight=30.0
            ),
            model=SDFModelConfig(field=SirenFieldConfig(hidden_dim=128)),
            mesh_resolution=96,
        ),
        optimizers={"field": decaying_adam(2e-4), "codes": decaying_adam(1e-3)},
    ),
    "sdf-resfields sized for two CPU cores and minutes: Siren-128, small batches.",
)

sdf_codes = method_specification(
    replace(
        _sdf,
        method_name="sdf-codes",
        max_num_iterations=1_500,
        steps_per_save=500,
        steps_per_eval_image=1_000,
        pipeline=SDFPipelineConfig(
            datamanager=SDFDataManagerConfig(
                dataparser=MeshSequenceParserConfig(), samples_per_batch=6_000, pool_samples=1_000_000, far_weight=30.0
            ),
            model=SDFModelConfig(field=SirenFieldConfig(hidden_dim=128), codes=CodeOptions(dim=32)),
            mesh_resolution=96,
        ),
        optimizers={"field": decaying_adam(2e-4), "codes": decaying_adam(1e-3)},
    ),
    "Signed distances or occupancies of many shapes, told apart by latent codes (DeepSDF); sized for two CPU cores.",
)
