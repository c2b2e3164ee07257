#!/usr/bin/env bash
# Installs, lints, checks types, builds the pages and runs the tests, two at a time; options are pytest's.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh dev
export PATH="$PWD/.venv/bin:$PATH"
ruff check .
ruff format --check .
pyright --pythonpath .venv/bin/python
unset PYTHONDONTWRITEBYTECODE # without bytecode, each process that a test starts would compile the package
NO_MKDOCS_2_WARNING=1 mkdocs build --strict --quiet
OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist worksteal "$@"
