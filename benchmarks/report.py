"""Writes `docs/tables/*.md` from the records of `benchmarks.run`.

python -m benchmarks.report [TABLE]
"""

from itertools import combinations
from pathlib import Path
from statistics import mean
from textwrap import fill
from typing import Any

import tyro

from benchmarks.records import RESULTS, ROOT, figure, read_records
from benchmarks.table import Column, Row, Table
from benchmarks.tables import all_tables, find_table
from resfields_ns.commands.command_line import run_command

PAGES = ROOT / "docs" / "tables"


def our_figure(records: list[dict[str, Any]], column: Column) -> float | None:
    """Mean over seeds; None where no record has the figure."""
    values = [value for record in records if (value := figure(record, column.figure)) is not None]
    return mean(values) if values else None


def table_lines(table: Table, folder: Path) -> list[str]:
    """The table in Markdown: of every row that ran our figures, each beside the paper's where it reports one."""
    reported = {title for row in table.rows for title in row.paper}
    heads = [head for column in table.columns for head in (column.title, "paper")[: 1 + (column.title in reported)]]
    lines = ["| " + " | ".join([*table.label_columns, "seeds", *heads]) + " |"]
    lines.append("|---" * (len(table.label_columns) + 1 + len(heads)) + "|")
    for row in table.rows:
        if not (records := read_records(folder, row.name)):
            continue
        cells = [*row.labels, str(len(records))]
        for column in table.columns:
            cells.append(_cell(our_figure(records, column), column))
            if column.title in reported:
                cells.append(_cell(row.paper.get(column.title), column))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def comparison_lines(table: Table, folder: Path) -> list[str]:
    """Of every figure that the paper reports: the best row there and here, and how often the order of two agrees."""
    lines = []
    for column in table.columns:
        both = {
            _label(row): (row.paper[column.title], ours)
            for row in table.rows
            if column.title in row.paper and (ours := our_figure(read_records(folder, row.name), column)) is not None
        }
        if column.better is None or len(both) < 2:
            continue
        best = max if column.better == "higher" else min
        paper, ours = (best(both, key=lambda row, of=index: both[row][of]) for index in (0, 1))
        pairs = [(a[0] - b[0], a[1] - b[1]) for a, b in combinations(both.values(), 2) if a[0] != b[0]]
        agreeing = sum(theirs * own > 0 for theirs, own in pairs)
        lines.append(
            f"- {column.title}: best in the paper {paper}, here {ours}; "
            f"of {len(pairs)} pairs of rows {agreeing} stand in the paper's order."
        )
    return lines


def page(table: Table, folder: Path) -> str:
    """The whole page of a table of which at least one row ran."""
    records = [record for row in table.rows for record in read_records(folder, row.name)]
    machines = sorted({_machine(record["facts"]) for record in records})
    comparison = comparison_lines(table, folder)
    parts = [
        f"# {table.title}",
        fill(" ".join(table.text.split()), 120, break_on_hyphens=False),
        f"Machine: {'; '.join(machines)}. Made by `python -m benchmarks.run {table.name} --data DATA` and\n"
        f"`python -m benchmarks.report {table.name}` from the records in `benchmarks/results/{table.name}`.\n"
        "Figures are means over seeds; the paper's are those of its own size and data.",
        "\n".join(table_lines(table, folder)),
        "\n".join(comparison),
        table.notes.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _cell(value: float | None, column: Column) -> str:
    return "" if value is None else format(value, column.digits)


def _label(row: Row) -> str:
    return " ".join(label for label in row.labels if label)


def _machine(facts: dict[str, Any]) -> str:
    hardware = facts["hardware"]
    gpu = "no GPU" if hardware["gpu"] is None else hardware["gpu"]
    return f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['threads']} thread(s) a run, {gpu}"


def main(table: tyro.conf.Positional[str | None] = None, results: Path = RESULTS, pages: Path = PAGES) -> None:
    """Write the page of a table, or of all that have records.

    Args:
        table: its name; all without
        results: where the records are
        pages: where the pages go
    """
    for grid in all_tables().values() if table is None else (find_table(table),):
        folder = grid.records(results)
        if not any(read_records(folder, row.name) for row in grid.rows):
            continue
        pages.mkdir(parents=True, exist_ok=True)
        (pages / f"{grid.name}.md").write_text(page(grid, folder), encoding="utf8")


if __name__ == "__main__":
    run_command(main)
