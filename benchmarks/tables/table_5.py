"""Table 5: scene flow, by the motion that the network predicts."""

from typing import Any

from benchmarks.table import Column, Row, Table

FORWARD, BACKWARD = "forward L1 x 1000", "backward L1 x 1000"
PAPER = (
    {
        "offset": ((6.88, 7.31), (3.85, 3.85)),
        "se3": ((4.57, 4.58), (2.64, 2.56)),
        "dct": ((3.19, 3.19), (2.18, 2.19)),
    },
    {
        "offset": ((6.50, 6.44), (4.43, 4.59)),
        "se3": ((4.00, 4.10), (2.88, 2.84)),
        "dct": ((2.47, 2.48), (1.79, 1.79)),
    },
)
"""Of the narrow and the wide network, by motion: plain, with residual layers; means over four sequences."""


def _rows(widths: tuple[int, int], shared: dict[str, Any]) -> tuple[Row, ...]:
    field = "pipeline.model.field."
    return tuple(
        Row(
            (str(width), motion, "residual" if residual else "plain"),
            "sceneflow-resfields",
            shared
            | {f"{field}hidden_dim": width, f"{field}motion": motion}
            | ({} if residual else {f"{field}residual_layers": ()}),
            dict(zip((FORWARD, BACKWARD), figures[residual], strict=True)),
        )
        for width, motions in zip(widths, PAPER, strict=True)
        for motion, figures in motions.items()
        for residual in (False, True)
    )


def _table(name: str, text: str, rows: tuple[Row, ...]) -> Table:
    return Table(
        name=name,
        title="Scene flow (Table 5)",
        text=text,
        label_columns=("width", "motion", "layers"),
        columns=(
            Column(FORWARD, "results.forward_l1_x1000", ".2f", "lower"),
            Column(BACKWARD, "results.backward_l1_x1000", ".2f", "lower"),
            Column("parameters", "facts.parameters", ",.0f", None),
            Column("s/step", "seconds_per_step", ".4f", "lower"),
        ),
        rows=rows,
    )


WIDTHS = (48, 96)
STEPS, SAMPLES = 1500, 2000

TABLES = (
    _table("5", "Sizes as in docs/parity.md; the paper does not tell how long it trains.", _rows((128, 256), {})),
    _table(
        "5-small",
        f"""
An animated fox (`.anime`, tracked vertices, 80% of them trained on, the others evaluated), widths {WIDTHS[0]} and
{WIDTHS[1]} where the paper has 128 and 256, {STEPS} steps of {SAMPLES:,} vertices. The paper's figures: means over four
sequences of DeformingThings4D.""",
        _rows(
            WIDTHS,
            {
                "max_num_iterations": STEPS,
                "pipeline.datamanager.train_num_rays_per_batch": SAMPLES,
                "optimizers.field.optimizer.lr": 1e-3,
                "pipeline.datamanager.dataparser.up": "y",
            },
        ),
    ),
)
