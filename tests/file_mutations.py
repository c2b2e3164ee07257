"""Seeded ways to break a file."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from random import Random

_NUMBERS = (
    b"nan",
    b"inf",
    b"-inf",
    b"1e30",
    b"-1e30",
    b"1e400",
    b"0",
    b"-1",
    b"99999999999999999999",
    b"true",
    b'"12"',
)
_LENGTHS = (0, 1, 255, 65535, 2**24, 2**31 - 1, 2**32 - 1, 2**63 - 1)
_CONTENTS = (
    *(b"", b"hello\n", bytes(4096), b"\xff\xfe\x80abc\n" * 10, b"[" * 100_000, b'{"a":' * 100_000),
    b"%YAML:1.0\n---\na: " + b"{a: " * 100_000,
    b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n%%EndComments\nshowpage\n%%EOF\n",
    b"ffconcat version 1.0\nfile /etc/hostname\n",
    b"#EXTM3U\n#EXTINF:1,\n/etc/hostname\n#EXT-X-ENDLIST\n",
    b"\x93NUMPY\x01\x00\x46\x00{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 17)}".ljust(80) + b"\n",
)


def _flip(data: bytes, random: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(random.choice([1, 3, 20])):
        changed[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return bytes(changed)


def _cut(data: bytes, random: Random) -> bytes:
    return data[: random.randrange(len(data))]


def _insert(data: bytes, random: Random) -> bytes:
    place = random.randrange(len(data) + 1)
    return data[:place] + random.randbytes(random.choice([1, 4, 1000])) + data[place:]


def _overwrite_length(data: bytes, random: Random) -> bytes:
    size, place = random.choice([2, 4, 8]), random.randrange(len(data))
    value = random.choice(_LENGTHS) % 256**size
    return data[:place] + value.to_bytes(size, random.choice(["little", "big"])) + data[place + size :]


def _replace_number(data: bytes, random: Random) -> bytes:
    found = list(re.finditer(rb"(?<![\w.])-?\d+\.?\d*(e-?\d+)?", data))
    if not found:
        return _flip(data, random)
    chosen = random.choice(found)
    return data[: chosen.start()] + random.choice(_NUMBERS) + data[chosen.end() :]


def _swap(data: bytes, random: Random) -> bytes:
    first, second = sorted(random.randrange(len(data)) for _ in range(2))
    return data[second:] + data[first:second] + data[:first]


def _other_content(data: bytes, random: Random) -> bytes:
    return random.choice(_CONTENTS)


_MUTATIONS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_flip, _cut, _insert, _overwrite_length, _replace_number, _replace_number, _swap, _other_content),
)


def break_file(path: Path, random: Random) -> str:
    """Break a file that is not empty; returns what was done."""
    if random.random() < 0.08:
        path.unlink()
        how = random.choice(["folder", "pipe", "missing"])
        if how == "folder":
            path.mkdir()
        elif how == "pipe":
            os.mkfifo(path)
        return how
    mutation = random.choice(_MUTATIONS)
    path.write_bytes(mutation(path.read_bytes(), random))
    return mutation.__name__
