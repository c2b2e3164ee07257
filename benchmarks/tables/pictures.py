"""One picture by every network, behind every encoding, and from its derivatives alone."""

from typing import Any

from benchmarks.table import Column, Row, Table
from benchmarks.video import PARAMETERS_COLUMN, PSNR_COLUMNS, TIME_COLUMN, clip_options, field_options

RATES = {"siren": 1e-3}  # else 2e-3
SHARED: dict[str, Any] = {
    "max_num_iterations": 1200,
    "pipeline.datamanager.samples_per_batch": 2000,
    **clip_options(image_scale=0.25),
    **field_options(hidden_dim=64),
}
TEXT = """
*Chelsea* (the picture of a cat inside the package scikit-image) at 112 x 75, 10% of the pixels held out; five layers
of width 64, 1200 steps of 2,000 samples, Adam with a rate that falls to a tenth along a cosine: from 1e-3 for the
Siren, from 2e-3 for the others."""


def _row(label: str, network: str, overrides: dict[str, Any] | None = None) -> Row:
    rate = {"optimizers.field.optimizer.lr": RATES.get(network, 2e-3)}
    return Row(
        (label,),
        "video-resfields-small",
        {**SHARED, **rate, "pipeline.model.network": network, **(overrides or {})},
    )


def _gaussian(scale: float) -> dict[str, Any]:
    return {"pipeline.model.encoding.gaussian_scale": scale}


def _positional(octaves: int) -> dict[str, Any]:
    return {"pipeline.model.encoding.num_frequencies": octaves}


TABLES = (
    Table(
        name="pictures",
        title="One picture by every network",
        text=TEXT,
        label_columns=("network",),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN),
        rows=(
            _row("ReLU", "relu"),
            _row("ReLU, positional encoding", "relu-positional", _positional(4)),
            _row("ReLU, Gaussian encoding", "gaussian", _gaussian(1.0)),
            _row("Siren", "siren"),
            _row("hash grid", "hash-grid"),
        ),
    ),
    Table(
        name="fourier",
        title="Fourier features before a ReLU network",
        text=TEXT + " Frequencies are in periods over half the picture's extent.",
        label_columns=("encoding",),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN),
        rows=(
            _row("none", "relu"),
            _row("basic", "relu-basic"),
            *(_row(f"positional, {octaves} octaves", "relu-positional", _positional(octaves)) for octaves in (4, 6)),
            *(_row(f"Gaussian, {scale:g}", "gaussian", _gaussian(scale)) for scale in (0.5, 1.0, 4.0)),
        ),
    ),
    Table(
        name="poisson",
        title="A picture from its derivatives",
        text="""
*Chelsea* (the picture of a cat inside the package scikit-image) at 112 x 75; a Siren of five layers of width 64, 400
steps of 2,000 samples, Adam with 1e-3 falling to a tenth along a cosine. The mean colour is given; PSNR is over all
pixels, of colours less their mean error.""",
        label_columns=("what is known",),
        columns=(
            Column("PSNR", "results.psnr_train"),
            Column("error of gradients", "results.gradient_error", ".3f", "lower"),
            TIME_COLUMN,
        ),
        rows=tuple(
            _row(
                supervision,
                "siren",
                {
                    "pipeline.datamanager.supervision": supervision,
                    "max_num_iterations": 400,
                    **clip_options(held_out_pixels=0.0),
                },
            )
            for supervision in ("gradients", "laplacians")
        ),
    ),
)
