"""Table A.5: a hash grid of many sizes, and a plain network of as many parameters as the residual one."""

from benchmarks.table import Row, Table
from benchmarks.video import (
    PARAMETERS,
    PARAMETERS_COLUMN,
    PSNR_COLUMNS,
    SIZES,
    TIME,
    TIME_COLUMN,
    VideoSize,
    field_options,
    psnr,
)

HASH_GRIDS = {
    (20, 6): (150, 3.6, 31.27, 33.25),
    (20, 7): (153, 5.7, 32.08, 35.06),
    (20, 8): (157, 7.8, 32.61, 36.64),
    (20, 9): (158, 9.9, 32.41, 37.8),
    (21, 6): (126, 5.1, 32.02, 34.48),
    (21, 7): (141, 9.3, 32.91, 36.87),
    (21, 8): (146, 13.5, 33.66, 39.33),
    (21, 9): (157, 17.7, 33.53, 41.36),
    (22, 6): (101, 5.1, 32.01, 34.47),
    (22, 7): (116, 13.5, 33.39, 37.82),
    (22, 8): (144, 21.9, 34.02, 41.09),
    (22, 9): (156, 30.3, 33.73, 43.83),
    (23, 6): (75, 5.1, 32.02, 34.48),
    (23, 7): (99, 17.4, 33.83, 39.51),
    (23, 8): (131, 34.2, 34.52, 43.85),
    (23, 9): (148, 51, 33.96, 47.56),
    (24, 6): (51, 5.1, 32.01, 34.46),
    (24, 7): (77, 17.4, 33.84, 39.51),
    (24, 8): (130, 51, 34.27, 44.68),
    (24, 9): (145, 84.5, 34.02, 49.51),
}
"""By T, the binary logarithm of a level's entries, and L, levels: steps a second, millions of parameters, PSNRs."""
SIRENS = {
    "plain": (11.66, 0.8, 31.89, 32.13),
    "residual": (9.78, 8.7, 39.21, 39.97),
    "as large": (1.42, 8.7, 39.15, 40.20),
}
"""Of widths 512, 512 and 1700."""


def _paper(rate: float, millions: float, test: float, train: float) -> dict[str, float]:
    return psnr(test, train) | {TIME: 1.0 / rate, PARAMETERS: 1e6 * millions}


def _table(size: VideoSize, table_shift: int, large: int, text: str) -> Table:
    def siren(label: str, kind: str, width: int, residual: bool) -> Row:
        options = field_options(hidden_dim=width) | ({} if residual else field_options(residual_layers=()))
        return Row((label, ""), size.method, {**size.overrides, **options}, _paper(*SIRENS[kind]))

    def hash_grid(log2: int, levels: int) -> Row:
        sizes = {"log2_hashmap_size": log2 - table_shift, "num_levels": levels}
        options = {f"pipeline.model.hash_grid.{name}": value for name, value in sizes.items()}
        network = {"pipeline.model.network": "hash-grid"}
        labels = (f"NGP T={log2 - table_shift}", f"L={levels}")
        return Row(labels, size.method, {**size.overrides, **network, **options}, _paper(*HASH_GRIDS[log2, levels]))

    return Table(
        name=f"a5{size.suffix}",
        title="Hash grids of many sizes (Table A.5)",
        of="Table A.5",
        text=f"{text}{size.text}",
        label_columns=("network", "levels"),
        columns=(*PSNR_COLUMNS, PARAMETERS_COLUMN, TIME_COLUMN),
        rows=(
            siren(f"Siren-{size.width}", "plain", size.width, residual=False),
            siren(f"Siren-{size.width} + ResFields", "residual", size.width, residual=True),
            siren(f"Siren-{large}", "as large", large, residual=False),
            *(hash_grid(*key) for key in HASH_GRIDS),
        ),
    )


TABLES = (
    _table(SIZES[0], 0, 1700, ""),
    _table(SIZES[1], 8, 106, "Tables of 2^T entries are a 256th of the paper's, whose T is larger by 8. "),
)
