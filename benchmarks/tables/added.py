"""What residual layers add to every task that has a time: plain and residual networks, in equal steps."""

from collections.abc import Iterable
from typing import Any

from benchmarks.table import Column, Row, Table
from benchmarks.tables.family import DENSITIES
from benchmarks.video import PARAMETERS_COLUMN, clip_options, field_options
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig

NOTES = """
Beside the plain network of its width, the residual one is better in every row, if by no more than seeds differ where a
dynamic scene has NeRF's density (0.05 dB; Chamfer 77.5 for 85.2). Beside the plain network of as many
parameters, whose products are ten times as many, it is ahead for the video, the sound, the wave and shapes by codes,
and behind for gradients of a video, signed distances, oriented points, occupancy, scene flow and the dynamic scenes: a
likely reason is that there it counts how finely space is told, which is a matter of width. Of oriented points both
narrow networks keep pieces of surface where there is none.
Other work shared the machine, so no seconds are given.

DATA is a folder that a checkout makes:

    mkdir added
    python scripts/bikes.py added/bikes.mp4
    python scripts/house.py added/house.wav
    python -c "from tests import small_sequences as s; s.write_bird(s.Path('added'))"
    python -c "from tests import small_sequences as s; s.write_shapes(s.Path('added/shapes'), 32)"
    rf-demo-data added/demo --frames 20 --size 64
    python -m benchmarks.run added --data added --seed 0 1
"""


def _rows(
    task: str,
    measured: str,
    method: str,
    data: str,
    sizes: dict[str, Any],
    width: int,
    wide: int,
    layers: tuple[int, ...] = (1, 2, 3),
) -> Iterable[Row]:
    """A task's plain network of a width, one as large as the residual network of that width, and that."""
    networks = {"plain": (width, ()), "plain, as large": (wide, ()), "residual": (width, layers)}
    for network, (of_width, residual_layers) in networks.items():
        overrides = sizes | field_options(hidden_dim=of_width, residual_layers=residual_layers)
        yield Row((task, measured, network), method, overrides, data=data)


def _steps(steps: int, samples: int, **rates: float) -> dict[str, Any]:
    lengths = {"max_num_iterations": steps, "pipeline.datamanager.samples_per_batch": samples}
    return lengths | {f"optimizers.{group}.optimizer.lr": rate for group, rate in rates.items()}


_CLIP = clip_options(frames="0:50", image_scale=0.25)
_SURFACES: dict[str, Any] = {
    **_steps(800, 6_000, field=5e-4),
    "pipeline.datamanager.pool_samples": 500_000,
    "pipeline.datamanager.dataparser.eval_frames": "::10",
}
_SCENE: dict[str, Any] = {
    "max_num_iterations": 600,
    "pipeline.chamfer_resolution": 64,
    "pipeline.datamanager.train_num_rays_per_batch": 256,
    "pipeline.model.sampler.num_samples": 16,
    "pipeline.model.hull_start_steps": 200,
    **field_options(num_layers=4, feature_dim=32, skip_layers=(), num_frequencies=4),
}


def _supervised(supervision: str) -> dict[str, Any]:
    return {"pipeline.datamanager.supervision": supervision}


TABLES = (
    Table(
        name="added",
        title="What residual layers add to each task",
        text="""
Every task whose signal changes over time, by a plain network, by a plain network with as many parameters as the
residual one has, and by residual layers of rank 10 in its middle layers; steps, batches and rates are equal within a
task, and few. A sound's frames are windows, those of shapes by codes are shapes.""",
        label_columns=("task", "measured", "network"),
        columns=(
            Column("dB", "results.psnr_test_pooled|results.psnr_train|results.snr_train_pooled|results.psnr"),
            Column(
                "error",
                "results.chamfer_l1_x1000|results.relative_error_pooled|results.forward_l1_x1000",
                ".4g",
                "lower",
            ),
            PARAMETERS_COLUMN,
        ),
        rows=(
            *_rows(
                "video",
                "PSNR of held-out pixels",
                "video-resfields-small",
                "bikes.mp4",
                _CLIP | _steps(800, 5_000),
                32,
                107,
            ),
            *_rows(
                "video from gradients",
                "PSNR",
                "video-resfields-small",
                "bikes.mp4",
                _CLIP | clip_options(held_out_pixels=0.0) | _steps(400, 3_000, field=1e-3) | _supervised("gradients"),
                32,
                107,
            ),
            *_rows("sound", "SNR", "audio-resfields-small", "house.wav", _steps(400, 5_000), 64, 213),
            *_rows(
                "wave equation", "relative error", "wave-resfields", "", _steps(500, 1_000, field=1e-3), 32, 105, (1, 2)
            ),
            *_rows("signed distances", "Chamfer L1 x 1000", "sdf-resfields-small", "bird.anime", _SURFACES, 48, 159),
            *_rows(
                "oriented points",
                "Chamfer L1 x 1000",
                "sdf-resfields-small",
                "bird.anime",
                _SURFACES | _supervised("oriented-points"),
                48,
                159,
            ),
            *_rows(
                "occupancy",
                "Chamfer L1 x 1000",
                "sdf-resfields-small",
                "bird.anime",
                _SURFACES | _supervised("occupancy"),
                48,
                159,
            ),
            *_rows("shapes by codes", "Chamfer L1 x 1000", "sdf-codes", "shapes", _SURFACES, 48, 155),
            *_rows(
                "scene flow",
                "L1 x 1000, forward",
                "sceneflow-resfields",
                "demo/mesh",
                {
                    **_steps(600, 10_000, field=1e-3),
                    "pipeline.datamanager.dataparser": MeshSequenceParserConfig(),
                    "pipeline.model.field.num_frequencies": 2,
                },
                48,
                157,
                tuple(range(1, 8)),
            ),
            *_rows(
                "dynamic scene",
                "PSNR of held-out views, Chamfer L1 x 1000",
                "tnerf-resfields-small",
                "demo",
                _SCENE | {"pipeline.model.sampler.num_picture_samples": 8},
                48,
                148,
            ),
            *_rows(
                "dynamic scene, NeRF's density",
                "PSNR of held-out views, Chamfer L1 x 1000",
                "tnerf-resfields-small",
                "demo",
                _SCENE | DENSITIES["nerf"],
                48,
                148,
            ),
        ),
        notes=NOTES,
    ),
)
