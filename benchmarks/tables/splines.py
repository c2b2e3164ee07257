"""Beyond the paper: coefficients that are smooth over time, between its Tables A.1 and A.2."""

from benchmarks.table import Row, Table
from benchmarks.video import LONG_SMALL_SIZE, PAPER_SIZE, PSNR_COLUMNS, VideoSize, clip_options, field_options

NOTES = """
The paper's coefficients (linear) must choose: all rows fit seen frames best (24.41 dB) and guess unseen ones badly
(15.24), a tenth of the rows the other way round (23.83 and 21.59). A cubic spline with a piece between every two
frames and a smoothness of 1 does both in one model: 24.44 dB on seen frames and 21.79 dB on unseen ones. Either half
alone does less: the spline without the loss stays at 19.99 dB on unseen frames, the loss on linear coefficients
reaches 24.38 and 21.51 at best. 30% of linear rows come near, too: 24.26 and 21.86. Two seeds, which differ by up to
0.4 dB. Other orders than cubic and a low-pass schedule were not tried.
"""
LINEAR_SHARES = (100, 30, 10)
SPLINE_SHARES = (100, 50, 30, 10)
SMOOTHNESS = (0.1, 1.0, 10.0)


def _table(size: VideoSize) -> Table:
    hold_out = clip_options(held_out_pixels=0.0, held_out_frames=0.1)
    shared = {**size.overrides, **field_options(hidden_dim=size.width), **hold_out}

    def row(coefficients: str, share: int, smoothness: float) -> Row:
        options = field_options(
            coefficients=coefficients, coefficient_fraction=share / 100, smoothness_weight=smoothness
        )
        return Row((coefficients, f"{share}%", f"{smoothness:g}"), size.method, shared | options)

    return Table(
        name=f"splines{size.suffix}",
        title="Coefficients that are smooth over time (beyond the paper)",
        text="Rows of coefficients (pieces of a cubic spline) as a share of the frames, and the weight of the loss on "
        f"their second differences; 10% of the frames are held out, and all pixels of the others seen. {size.text}",
        label_columns=("coefficients", "T_i", "smoothness"),
        columns=PSNR_COLUMNS,
        rows=(
            *(row("linear", share, 0.0) for share in LINEAR_SHARES),
            *(row("linear", 100, weight) for weight in SMOOTHNESS),
            *(row("spline", share, 0.0) for share in SPLINE_SHARES),
            *(row("spline", 100, weight) for weight in SMOOTHNESS),
        ),
        notes=NOTES if size is LONG_SMALL_SIZE else "",
    )


TABLES = tuple(_table(size) for size in (PAPER_SIZE, LONG_SMALL_SIZE))
