"""Tables 3 and A.7 at the paper's size: every dynamic method on every capture, by which layers are residual."""

from typing import Any

from benchmarks.captures import CAPTURE_COLUMNS, CAPTURES, METHODS, TABLE_3, TABLE_A7, Figures, layer_options
from benchmarks.table import Row, Table

TEXT = """The paper's size: 100 frames of four cameras of each Owlii sequence, 400,000 steps of 1,100 rays of 256
samples. DATA is a folder of the four captures by their names."""
OUTSIDE = " NeuS2 and Tensor4D were run by the authors with those methods' own code: the paper's figures are quoted."


def _table(name: str, title: str, of: str, figures: Figures, shared: dict[str, Any], text: str) -> Table:
    def row(method: str, layers: str, capture: str) -> Row:
        labels, paper = (method, layers, capture), figures[method, layers][capture]
        if method not in METHODS:
            return Row(labels, paper=paper)
        return Row(labels, METHODS[method], shared | layer_options(layers), paper, data=capture)

    return Table(
        name=name,
        title=title,
        of=of,
        text=text,
        label_columns=("method", "residual layers", "capture"),
        columns=CAPTURE_COLUMNS,
        rows=tuple(row(method, layers, capture) for method, layers in figures for capture in CAPTURES[1:]),
    )


NERF = {"pipeline.model.density": "nerf"}
TABLES = (
    _table("3", "Dynamic scenes (Table 3)", "Table 3", TABLE_3, {}, TEXT + OUTSIDE),
    _table("a7", "Dynamic scenes, NeRF's density (Table A.7)", "Table A.7", TABLE_A7, NERF, TEXT),
)
