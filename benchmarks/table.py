"""A table of the paper as a grid of runs: rows, and the figures to show of each."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal


@dataclass(frozen=True)
class Column:
    """A figure of every run."""

    title: str
    figure: str
    """Where it stands in a record, as a dotted path: `results.psnr`; of several, divided by |, the first there is."""
    digits: str = ".2f"
    better: Literal["higher", "lower"] | None = "higher"
    """None where the paper's figure cannot be compared."""


@dataclass(frozen=True)
class Row:
    """A run, or a line of the paper's alone."""

    labels: tuple[str, ...]
    """One for each of the table's label columns."""
    method: str = ""
    """A registered nerfstudio method; none where nothing of ours runs, and the page quotes the paper."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Dotted paths into its config, and their values."""
    paper: Mapping[str, float] = field(default_factory=dict)
    """What the paper reports, by the title of the column."""
    data: str = ""
    """Where its data lies below the folder that `--data` names."""

    @property
    def name(self) -> str:
        """The labels as one word."""
        return "_".join(re.sub(r"[^a-z0-9.]+", "-", label.lower()).strip("-") for label in self.labels)

    def run_name(self, seed: int) -> str:
        """The name of the run with a seed."""
        return f"{self.name}_seed{seed}"


@dataclass(frozen=True)
class Table:
    """A grid of runs under one name.

    Raises:
        ValueError: if two rows have one name, or a row's labels or paper's figures fit no column
    """

    name: str
    title: str
    text: str
    """What the page says before its table: the data, the size, what differs from the paper."""
    label_columns: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: str = ""
    """What the page says after it."""
    of: str = ""
    """The paper's table, such as `Table 3`; none where the paper has none like it."""
    more_metrics: Callable[[Any], dict[str, float]] = lambda pipeline: {}
    """Metrics of a trained pipeline beside those of its own evaluation."""
    looks: int = 0
    """How often a run is evaluated on its way, at equal parts of its steps, for what it shows after how long."""

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        titles = {column.title for column in self.columns}
        for row in self.rows:
            if names.count(row.name) > 1:
                raise ValueError(f"table {self.name}: expected rows of different names, got {row.name} twice")
            if len(row.labels) != len(self.label_columns):
                raise ValueError(
                    f"table {self.name}, {row.name}: expected {len(self.label_columns)} labels, got {len(row.labels)}"
                )
            if unknown := row.paper.keys() - titles:
                raise ValueError(
                    f"table {self.name}, {row.name}: expected the paper's figures under {sorted(titles)}, "
                    f"got {sorted(unknown)}"
                )

    @property
    def runs(self) -> list[Row]:
        """The rows that are runs."""
        return [row for row in self.rows if row.method]

    def run_row(self, name: str) -> Row:
        """The run of a name.

        Raises:
            ValueError: if there is none
        """
        runs = {row.name: row for row in self.runs}
        if name not in runs:
            raise ValueError(f"table {self.name}: expected a row among {', '.join(runs)}, got {name}")
        return runs[name]

    def records(self, results: Path) -> Path:
        """Where its runs leave their records."""
        return results / f"{self.name}.jsonl"
