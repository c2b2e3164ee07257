"""Sounds (Sitzmann et al. 2020b, 4.1), with weights that change from window to window.

`--pipeline.model.field.residual-layers` without values gives the plain Siren.
"""

from dataclasses import replace

from resfields_ns.data.sound_data import SoundDataManagerConfig
from resfields_ns.dataparsers.sound_windows import SoundWindowsDataParserConfig
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.sound_model import SoundModelConfig
from resfields_ns.pipelines.sound_pipeline import SoundPipelineConfig

_sound = ResFieldsTrainerConfig(
    method_name="audio-resfields",
    max_num_iterations=20_000,
    steps_per_eval_all_images=10_000,
    pipeline=SoundPipelineConfig(
        datamanager=SoundDataManagerConfig(dataparser=SoundWindowsDataParserConfig()), model=SoundModelConfig()
    ),
    optimizers={"field": decaying_adam(3e-4)},
    vis="viewer+tensorboard",
)

audio_resfields = method_specification(
    _sound, "A sound as a function of window and position within it: Siren-256 with residual layers."
)

audio_resfields_small = method_specification(
    replace(
        _sound,
        method_name="audio-resfields-small",
        max_num_iterations=2_000,
        steps_per_save=1_000,
        steps_per_eval_image=1_000,
        steps_per_eval_all_images=2_000,
        pipeline=SoundPipelineConfig(
            datamanager=SoundDataManagerConfig(dataparser=SoundWindowsDataParserConfig(), samples_per_batch=20_000),
            model=SoundModelConfig(field=SirenFieldConfig(hidden_dim=64)),
        ),
        optimizers={"field": decaying_adam(1e-3)},
    ),
    "audio-resfields sized for two CPU cores and minutes: Siren-64, small batches.",
)
