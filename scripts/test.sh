#!/usr/bin/env bash
# Installs, lints, checks types and runs the tests.
set -euo pipefail
cd "$(dirname "$0")/.."
bash scripts/install.sh dev
export PATH="$PWD/.venv/bin:$PATH"
ruff check .
ruff format --check .
pyright --pythonpath .venv/bin/python
python -m pytest "$@"
