"""Fetch *house_lo*, seven seconds of music (8 bits, 11,025 samples a second, mono), out of the Python package pygame.

python scripts/house.py house.wav
"""

import sys
from pathlib import Path

from bikes import fetch

if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} OUT.wav")
    fetch("pygame==2.6.1", "pygame/examples/data/house_lo.wav", Path(sys.argv[1]))
