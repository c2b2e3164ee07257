"""Table A.4: how many pixels are not seen."""

from benchmarks.table import Row, Table
from benchmarks.video import PSNR_COLUMNS, SIZES, SMALL_SIZE, VideoSize, clip_options, field_options, psnr

PAPER = {
    10: (psnr(32.02, 32.27), psnr(39.86, 40.73), psnr(36.67, 37.36), psnr(43.15, 44.75)),
    20: (psnr(31.99, 32.27), psnr(39.74, 40.75), psnr(36.60, 37.39), psnr(42.95, 44.82)),
    30: (psnr(31.97, 32.30), psnr(39.59, 40.80), psnr(36.51, 37.42), psnr(42.72, 44.96)),
    40: (psnr(31.91, 32.29), psnr(39.39, 40.85), psnr(36.41, 37.50), psnr(42.33, 45.14)),
    50: (psnr(31.85, 32.31), psnr(39.09, 40.95), psnr(36.26, 37.61), psnr(41.75, 45.41)),
    70: (psnr(31.59, 32.40), psnr(37.70, 41.49), psnr(35.54, 38.04), psnr(38.96, 46.61)),
}
"""By the share in percent: the narrow network, with residual layers, the wide one, with residual layers."""

NOTES = """
As in the paper, at every share residual layers win over plain ones of their width, and narrow residual layers over
the plain wide network; with the share of unseen pixels train PSNR rises, and test PSNR falls most for the network of
most capacity: the wide residual one by 3.6 dB from 10% to 70% (paper 4.2). One seed.

- Plain Siren-32 does not fall with the share (24.64 to 25.13 dB in no order): it is so small that nothing is memorised;
  in the paper it falls by 0.4 dB.
- With 70% unseen the wide residual network stays above the narrow one at every share (31.66; at most 31.27); in the
  paper it falls to 38.96, below its narrow one at 50%.
"""


def _table(size: VideoSize) -> Table:
    networks = {
        f"Siren-{size.width}": field_options(hidden_dim=size.width, residual_layers=()),
        f"Siren-{size.width} + ResFields": field_options(hidden_dim=size.width),
        f"Siren-{size.wide}": field_options(hidden_dim=size.wide, residual_layers=()),
        f"Siren-{size.wide} + ResFields": field_options(hidden_dim=size.wide),
    }
    return Table(
        name=f"a4{size.suffix}",
        title="Unseen pixels (Table A.4)",
        of="Table A.4",
        text="The share of every frame's pixels that is held out. " + size.text,
        label_columns=("unseen", "network"),
        columns=PSNR_COLUMNS,
        rows=tuple(
            Row(
                (f"{share}%", name),
                size.method,
                {**size.overrides, **options, **clip_options(held_out_pixels=share / 100)},
                paper,
            )
            for share, figures in PAPER.items()
            for (name, options), paper in zip(networks.items(), figures, strict=True)
        ),
        notes=NOTES if size is SMALL_SIZE else "",
    )


TABLES = tuple(_table(size) for size in SIZES)
