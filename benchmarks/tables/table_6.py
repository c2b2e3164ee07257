"""Table 6: what the residual is added to."""

from benchmarks.table import Row, Table
from benchmarks.video import (
    PARAMETERS_COLUMN,
    PSNR_COLUMNS,
    SIZES,
    SMALL_SIZE,
    TIME_COLUMN,
    VideoSize,
    field_options,
    psnr,
)

PAPER = {
    "none (Siren)": (field_options(residual_layers=()), psnr(31.89, 32.13)),
    "output": (field_options(residual="output"), psnr(32.84, 33.12)),
    "modulated weights": (field_options(residual="modulated"), psnr(32.65, 32.90)),
    "direct weights": (field_options(residual="direct"), psnr(35.17, 35.95)),
    "ResFields": ({}, psnr(39.21, 39.97)),
}

NOTES = """
The paper's order: residual weights, then direct weights, then the two weak ways, then none. The two weak ways change
places: 0.3 dB here, 0.2 dB in the paper. Direct weights gain less here (2.2 dB over none; paper 3.3). One seed.
"""


def _table(size: VideoSize) -> Table:
    width = {**size.overrides, **field_options(hidden_dim=size.width)}
    return Table(
        name=f"6{size.suffix}",
        title="Residual modelling (Table 6)",
        of="Table 6",
        text="Where time enters a layer of rank 10. " + size.text,
        label_columns=("residual",),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN),
        rows=tuple(Row((name,), size.method, width | options, figures) for name, (options, figures) in PAPER.items()),
        notes=NOTES if size is SMALL_SIZE else "",
    )


TABLES = tuple(_table(size) for size in SIZES)
