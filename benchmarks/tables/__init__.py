"""One file per table of the paper, each with its `TABLES`: one grid a size."""

import importlib
import pkgutil

from benchmarks.table import Table


def all_tables() -> dict[str, Table]:
    """Every table of this folder by its name, in the order of the files."""
    modules = sorted(module.name for module in pkgutil.iter_modules(__path__))
    return {name: table for module in modules for name, table in _tables(f"{__name__}.{module}").items()}


def find_table(name: str) -> Table:
    """The table of a name; `package.module:name` finds one that stands elsewhere.

    Raises:
        ValueError: if there is none
    """
    module, _, short = name.rpartition(":")
    tables = _tables(module) if module else all_tables()
    if short not in tables:
        raise ValueError(f"table: expected one of {', '.join(tables)}, got {name}")
    return tables[short]


def _tables(module: str) -> dict[str, Table]:
    return {table.name: table for table in importlib.import_module(module).TABLES}
