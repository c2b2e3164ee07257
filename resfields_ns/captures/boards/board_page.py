"""A board to print at its true size, with rulers to check the print by."""

from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from resfields_ns.captures.boards.board import Board
from resfields_ns.files import write_aside

Paper = Literal["a4", "a3", "a2", "a1", "a0", "letter", "tabloid"]
PAPERS: dict[str, tuple[float, float]] = {
    "a4": (297.0, 210.0),
    "a3": (420.0, 297.0),
    "a2": (594.0, 420.0),
    "a1": (841.0, 594.0),
    "a0": (1189.0, 841.0),
    "letter": (279.4, 215.9),
    "tabloid": (431.8, 279.4),
}
"""Long and short side, millimetres."""

_DOTS_PER_INCH = 600
_DOTS_PER_MM = _DOTS_PER_INCH / 25.4
_MARGIN = 8.0  # millimetres, which printers leave white
_RULER = 12.0  # millimetres below the board, for the ruler and a line of text
_TEXT = 3.0  # millimetres


def write_board(board: Board, path: Path, paper: Paper) -> None:
    """Write the page, as PDF or PNG, 600 dots an inch.

    Raises ValueError for another kind of file, or if the board does not fit the paper.
    """
    if path.suffix.lower() not in (".pdf", ".png"):
        raise ValueError(f"{path}: expected a .pdf or .png file to write")
    page = draw_page(board, paper)
    with write_aside(path) as file:
        if path.suffix.lower() == ".pdf":
            page.save(file, "PDF", resolution=_DOTS_PER_INCH)
        else:
            page.save(file, "PNG", dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))


def draw_page(board: Board, paper: Paper) -> Image.Image:
    """The page, black on white, with the board in its middle and a ruler below and beside it."""
    width, height = 1000.0 * board.square * board.columns, 1000.0 * board.square * board.rows
    page_size = PAPERS[paper] if width >= height else PAPERS[paper][::-1]
    room = (page_size[0] - 2 * (_MARGIN + _RULER), page_size[1] - 2 * (_MARGIN + _RULER))
    if width > room[0] or height > room[1]:
        largest = min(room[0] / board.columns, room[1] / board.rows)
        raise ValueError(
            f"--square-mm: expected at most {np.floor(10 * largest) / 10:g} for {board.columns} x {board.rows} squares "
            f"on {paper} paper, found {1000 * board.square:g} (or a larger --paper: {', '.join(PAPERS)})"
        )
    page = Image.new("1", _dots(*page_size), 1)
    left, top = (page_size[0] - width) / 2, (page_size[1] - height) / 2
    resolution = 1000.0 * board.square * _DOTS_PER_MM
    picture = Image.fromarray(board.bits(round(resolution)))
    page.paste(picture.resize(_dots(width, height), Image.Resampling.NEAREST), _dots(left, top))
    draw = ImageDraw.Draw(page)
    _draw_ruler(draw, (left, top + height + 3.0), width, across=True)
    _draw_ruler(draw, (left - 3.0, top), height, across=False)
    font = ImageFont.load_default(_TEXT * _DOTS_PER_MM)
    text = f"print at 100 %, check with the rulers (mm): {board.describe()}"
    draw.text(_dots(left, top + height + 3.0 + 2 * _TEXT), text, font=font, fill=0)
    return page


def _dots(x: float, y: float) -> tuple[int, int]:
    return round(x * _DOTS_PER_MM), round(y * _DOTS_PER_MM)


def _draw_ruler(draw: ImageDraw.ImageDraw, start: tuple[float, float], length: float, across: bool) -> None:
    """A line of whole centimetres with a tick a millimetre, away from the board."""
    font = ImageFont.load_default(_TEXT * _DOTS_PER_MM * 0.7)
    for millimetre in range(int(length // 10) * 10 + 1):
        tick = 3.0 if millimetre % 10 == 0 else 2.0 if millimetre % 5 == 0 else 1.0
        x, y = (start[0] + millimetre, start[1]) if across else (start[0], start[1] + millimetre)
        end = (x, y + tick) if across else (x - tick, y)
        draw.line([_dots(x, y), _dots(*end)], fill=0, width=3)
        if millimetre % 50 == 0:
            where = (x + 0.4, y + 1.6) if across else (x - 7.5, y + 0.2)
            draw.text(_dots(*where), str(millimetre), font=font, fill=0)
