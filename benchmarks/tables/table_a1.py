"""Table A.1: how many coefficients T_i, as a share of the frames."""

from benchmarks.table import Row, Table
from benchmarks.video import PSNR_COLUMNS, SIZES, VideoSize, field_options, psnr

PAPER = {
    100: psnr(39.86, 40.73),
    95: psnr(39.90, 40.77),
    90: psnr(39.79, 40.69),
    80: psnr(39.69, 40.62),
    70: psnr(39.60, 40.49),
    60: psnr(39.53, 40.44),
    50: psnr(39.45, 40.37),
    40: psnr(39.25, 40.20),
    30: psnr(39.10, 40.04),
    20: psnr(38.87, 39.82),
    10: psnr(38.34, 39.29),
}


def _table(size: VideoSize) -> Table:
    width = {**size.overrides, **field_options(hidden_dim=size.width)}
    plain = Row(("Siren", ""), size.method, width | field_options(residual_layers=()), psnr(32.02, 32.27))
    rows = [
        Row(("+ ResFields", f"{share}%"), size.method, width | field_options(coefficient_fraction=share / 100), figures)
        for share, figures in PAPER.items()
    ]
    return Table(
        name=f"a1{size.suffix}",
        title="Number of coefficients (Table A.1)",
        text="Coefficient rows T_i as a share of the frames. " + size.text,
        label_columns=("network", "T_i"),
        columns=PSNR_COLUMNS,
        rows=(plain, *rows),
    )


TABLES = tuple(_table(size) for size in SIZES)
