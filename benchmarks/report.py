"""Writes `docs/tables/*.md` from the records of `benchmarks.run`: a page a table that ran, and an index of all.

python -m benchmarks.report [TABLE]
"""

import re
from itertools import combinations
from pathlib import Path
from statistics import mean
from textwrap import fill
from typing import Any

import tyro

from benchmarks.paper import BASELINES, FIGURES, HEAD, OUTSIDE, TABLES
from benchmarks.records import RESULTS, ROOT, Record, figure, read_records
from benchmarks.table import Column, Row, Table
from benchmarks.tables import all_tables, find_table
from resfields_ns.commands.command_line import run_command

PAGES = ROOT / "docs" / "tables"
Records = dict[tuple[str, int], Record]


NOT_RUN = "not run"


def of_row(records: Records, row: Row) -> list[Record]:
    """The records of a row, one a seed."""
    return [record for (name, _), record in sorted(records.items()) if name == row.name]


def our_figure(records: list[Record], column: Column) -> float | None:
    """Mean over seeds; None where no record has the figure."""
    values = [value for record in records if (value := figure(record, column.figure)) is not None]
    return mean(values) if values else None


def extent(table: Table, records: Records) -> str:
    """How much of a table ran: `n of N rows, s seeds`."""
    seeds = [len(found) for row in table.rows if (found := of_row(records, row))]
    some = f", {_range(min(seeds), max(seeds))}" if seeds else ""
    return f"{len(seeds)} of {len(table.rows)} rows{some}"


def table_lines(table: Table, records: Records) -> list[str]:
    """The table in Markdown: of every row our figures, each beside the paper's where it reports one."""
    reported = {title for row in table.rows for title in row.paper}
    heads = [head for column in table.columns for head in (column.title, "paper")[: 1 + (column.title in reported)]]
    lines = ["| " + " | ".join([*table.label_columns, "seeds", *heads]) + " |"]
    lines.append("|---" * (len(table.label_columns) + 1 + len(heads)) + "|")
    for row in table.rows:
        found = of_row(records, row)
        cells = [*row.labels, str(len(found) or NOT_RUN)]
        for column in table.columns:
            cells.append(_cell(our_figure(found, column), column))
            if column.title in reported:
                cells.append(_cell(row.paper.get(column.title), column))
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def comparison_lines(table: Table, records: Records) -> list[str]:
    """Of every figure that the paper reports: the best row there and here, and how often the order of two agrees."""
    lines = []
    for column in table.columns:
        both = {
            _label(row): (row.paper[column.title], ours)
            for row in table.rows
            if column.title in row.paper and (ours := our_figure(of_row(records, row), column)) is not None
        }
        if column.better is None or len(both) < 2:
            continue
        best = max if column.better == "higher" else min
        paper, ours = (best(both, key=lambda row, of=index: both[row][of]) for index in (0, 1))
        pairs = [(a[0] - b[0], a[1] - b[1]) for a, b in combinations(both.values(), 2) if a[0] != b[0]]
        agreeing = sum(theirs * own > 0 for theirs, own in pairs)
        lines.append(
            f"- {column.title}: of the rows that ran, best in the paper {paper}, here {ours}; "
            f"of {len(pairs)} pairs of rows {agreeing} stand in the paper's order."
        )
    return lines


def page(table: Table, records: Records) -> str:
    """The whole page of a table of which at least one row ran."""
    ran = [record for row in table.rows for record in of_row(records, row)]
    machines = sorted({_machine(record["facts"]) for record in ran})
    parts = [
        f"# {table.title}",
        f"{extent(table, records)}.",
        fill(" ".join(table.text.split()), 120, break_on_hyphens=False),
        f"Machine: {'; '.join(machines)}. Made by `python -m benchmarks.run {table.name} --data DATA` and\n"
        f"`python -m benchmarks.report {table.name}` from the records in `benchmarks/results/{table.name}.jsonl`.\n"
        "Figures are means over seeds; the paper's are those of its own size and data.",
        "\n".join(table_lines(table, records)),
        "\n".join(comparison_lines(table, records)),
        table.notes.strip(),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def pages(results: Path = RESULTS) -> dict[str, str]:
    """Every page by its name: the index, and one a table of which a row ran."""
    tables = all_tables()
    records = {name: read_records(table.records(results)) for name, table in tables.items()}
    ran = {f"{name}.md": page(tables[name], found) for name, found in records.items() if found}
    return {"index.md": index_page(tables, records)} | ran


def index_page(tables: dict[str, Table], records: dict[str, Records]) -> str:
    """What there is of every table, figure and baseline of the paper, and the commands."""
    by_paper = {of: [table for table in tables.values() if table.of == of] for of in TABLES}
    lines = [
        HEAD.strip(),
        "## Tables",
        "| table | what | ours | state | rows that ran | command |\n|---|---|---|---|---|---|\n"
        + "\n".join(_state(of, table, records) for of, grids in by_paper.items() for table in grids),
        "## Beyond the paper",
        "| what | ours | state | rows that ran | command |\n|---|---|---|---|---|\n"
        + "\n".join(_state("", table, records) for table in tables.values() if not table.of),
        "## Figures",
        "| figure | what | ours | command |\n|---|---|---|---|\n"
        + "\n".join(f"| {' | '.join(figure)} |" for figure in FIGURES),
        "## Baselines",
        "| baseline | its source | here | state |\n|---|---|---|---|\n"
        + "\n".join(_baseline(*baseline, records) for baseline in BASELINES),
    ]
    return "\n\n".join(lines) + "\n"


def _state(of: str, table: Table, records: dict[str, Records]) -> str:
    found = records[table.name]
    ran = sum(bool(of_row(found, row)) for row in table.rows)
    state = "run" if ran == len(table.rows) else "partly" if ran else NOT_RUN
    name = f"[{table.name}]({table.name}.md)" if ran else table.name
    what = (of, TABLES[of]) if of else (table.title.removesuffix(" (beyond the paper)"),)
    command = f"`python -m benchmarks.run {table.name} --data DATA`"
    return f"| {' | '.join((*what, name, state, extent(table, found), command))} |"


def _baseline(name: str, source: str, ours: str, place: tuple[str, str] | None, records: dict[str, Records]) -> str:
    state = OUTSIDE
    if place is not None:
        table, pattern = place
        ran = any(re.search(pattern, row) for row, _ in records[table])
        state = f"run: [{table}]({table}.md)" if ran else NOT_RUN
    return f"| {name} | {source} | {ours} | {state} |"


def _range(least: int, most: int) -> str:
    return f"{least} seed{'s' if least > 1 else ''}" if least == most else f"{least} to {most} seeds"


def _cell(value: float | None, column: Column) -> str:
    return "" if value is None else format(value, column.digits)


def _label(row: Row) -> str:
    return " ".join(label for label in row.labels if label)


def _machine(facts: dict[str, Any]) -> str:
    hardware = facts["hardware"]
    gpu = "no GPU" if hardware["gpu"] is None else hardware["gpu"]
    return f"{hardware['cpu']}, {hardware['cores']} cores, {hardware['threads']} thread(s) a run, {gpu}"


def main(table: tyro.conf.Positional[str | None] = None, results: Path = RESULTS, folder: Path = PAGES) -> None:
    """Write the index and the page of a table, or of all that have records.

    Args:
        table: its name; all without
        results: where the records are
        folder: where the pages go
    """
    wanted = None if table is None else {"index.md", f"{find_table(table).name}.md"}
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages(results).items():
        if wanted is None or name in wanted:
            (folder / name).write_text(text, encoding="utf8")


if __name__ == "__main__":
    run_command(main)
