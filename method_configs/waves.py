"""Waves that are learnt from their equation alone (Sitzmann et al. 2020b, 4.4), for two CPU cores and minutes.

`--pipeline.model.field.residual-layers` without values gives the plain Siren.
"""

from resfields_ns.data.wave_data import WaveDataManagerConfig
from resfields_ns.dataparsers.plane_waves import HelmholtzDataParserConfig, MembraneDataParserConfig
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.wave_model import WaveModelConfig
from resfields_ns.pipelines.wave_pipeline import WavePipelineConfig

wave_resfields = method_specification(
    ResFieldsTrainerConfig(
        method_name="wave-resfields",
        max_num_iterations=3_000,
        steps_per_save=1_000,
        steps_per_eval_image=1_000,
        steps_per_eval_all_images=3_000,
        pipeline=WavePipelineConfig(
            datamanager=WaveDataManagerConfig(dataparser=MembraneDataParserConfig(), samples_per_batch=2_000),
            model=WaveModelConfig(
                field=SirenFieldConfig(
                    num_layers=3,
                    hidden_dim=64,
                    first_omega=6.0,
                    residual_layers=(1, 2),
                    coefficients="spline",
                    coefficient_fraction=0.2,
                )
            ),
        ),
        optimizers={"field": decaying_adam(5e-4)},
        vis="viewer+tensorboard",
    ),
    "The wave equation on a square membrane, solved by a Siren whose weights change over time.",
)

helmholtz = method_specification(
    ResFieldsTrainerConfig(
        method_name="helmholtz",
        max_num_iterations=3_000,
        steps_per_save=1_000,
        steps_per_eval_image=1_000,
        steps_per_eval_all_images=3_000,
        pipeline=WavePipelineConfig(
            datamanager=WaveDataManagerConfig(dataparser=HelmholtzDataParserConfig(), samples_per_batch=2_000),
            model=WaveModelConfig(
                field=SirenFieldConfig(
                    num_layers=3, hidden_dim=64, first_omega=10.0, residual_layers=(), coefficients="spline"
                )
            ),
        ),
        optimizers={"field": decaying_adam(5e-4)},
        vis="viewer+tensorboard",
    ),
    "The Helmholtz equation with a perfectly matched layer, solved by a Siren.",
)
