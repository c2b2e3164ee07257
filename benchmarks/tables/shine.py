"""Colour heads before a surface that shines."""

from typing import Any

from benchmarks.captures import CAPTURE_COLUMNS
from benchmarks.table import Column, Row, Table
from benchmarks.video import PARAMETERS_COLUMN, field_options

SIZE: dict[str, Any] = {
    "max_num_iterations": 1000,
    "pipeline.chamfer_resolution": 64,
    "pipeline.datamanager.dataparser.train_cameras": tuple(f"cam_train_{number}" for number in range(1, 13)),
    "pipeline.datamanager.train_num_rays_per_batch": 256,
    "pipeline.model.sampler.num_samples": 16,
    "pipeline.model.hull_start_steps": 200,
}
COLOURS = {"of the point": "feature", "and of the direction": "view", "through a learned basis": "view-basis"}


def _row(shown: str, colour: str) -> Row:
    sizes = field_options(num_layers=4, hidden_dim=64, feature_dim=64, skip_layers=(), residual_layers=(1, 2, 3))
    return Row((shown,), "tnerf-resfields-small", SIZE | sizes | field_options(colour=colour))


TABLES = (
    Table(
        name="shine",
        title="Colours that depend on the direction of view",
        text="""
The made creature with highlights (`rf-demo-data shiny --shine 0.4 --cameras 12 --frames 10 --size 64`), seen by 12
cameras around it, and tested on one that goes around once: the colour of a point and moment alone, of the direction of
view too, or of the direction through a learned basis of 8 functions (NeX). Width 64, 4 hidden layers, 1,000 steps of
256 rays of 16 samples.""",
        label_columns=("colour",),
        columns=(
            CAPTURE_COLUMNS[0],
            Column("foreground PSNR", "results.psnr_foreground"),
            *CAPTURE_COLUMNS[1:],
            PARAMETERS_COLUMN,
        ),
        rows=tuple(_row(shown, colour) for shown, colour in COLOURS.items()),
    ),
)
