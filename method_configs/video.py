"""Videos: the methods of the paper's Table 1 (settings: A.1, A.2).

`--pipeline.model.field.residual-layers` without values gives the plain Siren, `--pipeline.model.network hash-grid`
Instant NGP.
"""

from dataclasses import replace

from resfields_ns.data.video_data import VideoDataManagerConfig
from resfields_ns.dataparsers.video_frames import VideoFramesDataParserConfig
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.host.optimization import decaying_adam
from resfields_ns.host.presets import method_specification
from resfields_ns.host.trainer import ResFieldsTrainerConfig
from resfields_ns.models.video_model import VideoModelConfig
from resfields_ns.pipelines.video_pipeline import VideoPipelineConfig

ADAM_EPSILON = 1e-11  # that of the released code, 1e-8, for a loss that it multiplies by 1000


_video = ResFieldsTrainerConfig(
    method_name="video-resfields",
    max_num_iterations=100_000,
    steps_per_eval_all_images=25_000,
    pipeline=VideoPipelineConfig(
        datamanager=VideoDataManagerConfig(dataparser=VideoFramesDataParserConfig()), model=VideoModelConfig()
    ),
    optimizers={"field": decaying_adam(5e-5, ADAM_EPSILON)},
    vis="viewer+tensorboard",
)

video_resfields = method_specification(_video, "A video as a function of time and pixel: Siren with residual layers.")

video_resfields_small = method_specification(
    replace(
        _video,
        method_name="video-resfields-small",
        max_num_iterations=1_500,
        steps_per_save=500,
        steps_per_eval_batch=500,
        steps_per_eval_image=500,
        steps_per_eval_all_images=1_500,
        pipeline=VideoPipelineConfig(
            datamanager=VideoDataManagerConfig(
                dataparser=VideoFramesDataParserConfig(frames="::", image_scale=0.5),
                samples_per_batch=20_000,
                frames_per_batch=50,
            ),
            model=VideoModelConfig(
                field=SirenFieldConfig(hidden_dim=64), hash_grid=HashGridFieldConfig(log2_hashmap_size=15)
            ),
        ),
        optimizers={"field": decaying_adam(2e-3, ADAM_EPSILON)},
    ),
    "video-resfields sized for two CPU cores and minutes: narrow, and at half the video's size.",
)
