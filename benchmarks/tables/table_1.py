"""Table 1 (and the rows of A.5 that it rests on): a video by Siren, with residual layers, and by a hash grid."""

from benchmarks.table import Row, Table
from benchmarks.video import (
    MEMORY_COLUMN,
    PARAMETERS,
    PARAMETERS_COLUMN,
    PSNR_COLUMNS,
    SIZES,
    SMALL_SIZE,
    TIME,
    TIME_COLUMN,
    VideoSize,
    field_options,
    psnr,
)

NOTES = """
The paper's order on unseen pixels: the residual network, then the plain one of twice its width, the hash grid, the
plain one. The hash grid fits seen pixels best and loses most on unseen ones (10.7 dB; paper 9.3). One seed. (In 1000
steps at 2e-3, which this table had before, the hash grid was 0.4 dB ahead of the wide plain one: it learns faster.)

Seconds a step were taken while others computed on the same two cores, and are not to be compared. Without tinycudann
and a GPU the hash grid is evaluated by torch; the paper's is fused.
"""


def _table(size: VideoSize) -> Table:
    def siren(width: int, residual: bool, paper: dict[str, float]) -> Row:
        options = field_options(hidden_dim=width) | ({} if residual else field_options(residual_layers=()))
        label = f"Siren-{width}" + (" + ResFields" if residual else "")
        return Row((label,), size.method, {**size.overrides, **options}, paper)

    hash_grid = {**size.overrides, "pipeline.model.network": "hash-grid"}
    return Table(
        name=f"1{size.suffix}",
        title="Video approximation (Table 1)",
        of="Table 1",
        text=size.text,
        label_columns=("network",),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN, MEMORY_COLUMN),
        rows=(
            Row(("NGP",), size.method, hash_grid, psnr(34.52, 43.85) | {TIME: 1 / 131, PARAMETERS: 34.2e6}),
            siren(size.width, False, psnr(31.89, 32.13) | {TIME: 1 / 11.66, PARAMETERS: 0.8e6}),
            siren(size.wide, False, {PSNR_COLUMNS[0].title: 36.37, TIME: 1 / 3.55}),
            siren(size.width, True, psnr(39.21, 39.97) | {TIME: 1 / 9.78, PARAMETERS: 8.7e6}),
        ),
        notes=NOTES if size is SMALL_SIZE else "",
    )


TABLES = tuple(_table(size) for size in SIZES)
