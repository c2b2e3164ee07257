"""Beyond the paper: coefficients that are smooth over time, between its Tables A.1 and A.2."""

from benchmarks.table import Row, Table
from benchmarks.video import LONG_SMALL_SIZE, PAPER_SIZE, PSNR_COLUMNS, VideoSize, clip_options, field_options

NOTES = """
The paper's coefficients (linear) must choose: all rows fit seen frames well (25.04 dB) and guess unseen ones badly
(14.48), a tenth of the rows the other way round (24.55 and 22.04). A cubic spline with a piece between every two
frames and a smoothness of 1 does both in one model: 25.14 dB on seen frames and 22.14 dB on unseen ones. Either half
alone does less: the spline without the loss stays at 20.20 dB on unseen frames, the loss on linear coefficients
reaches 24.99 and 21.64, or 24.52 and 21.96. 30% of linear rows come near, too: 24.93 and 22.02. Unseen frames are
best by splines of a tenth (22.37, seen ones 24.58). Two seeds, which differ by up to 0.5 dB, and by 1.0 where unseen
frames are guessed badly. Other orders than cubic and a low-pass schedule were not tried.
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
