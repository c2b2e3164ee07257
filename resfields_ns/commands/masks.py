"""`rf-masks`: masks for a capture that has none, or better ones for one that has."""

from pathlib import Path
from typing import Annotated

import tyro

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits


def masks(capture: Annotated[Path, tyro.conf.Positional], mend: bool = False, tolerance: float = 4.0) -> None:
    """Make masks of people for a capture in the `owlii` layout, and mend them over views.

    What no other camera can see as foreground goes, holes that all others call foreground are filled, and edges follow
    the pictures. A run that was stopped goes on where it was. `masks.png` in the capture shows what was done.

    Example: rf-masks capture

    Args:
        capture: Folder of the capture.
        mend: Mend the masks that the capture has; they are kept in each camera's mask_found.
        tolerance: Pixels by which masks and cameras may disagree.
    """
    from resfields_ns.captures.masks.masked_capture import MaskedCapture
    from resfields_ns.captures.masks.people import PersonSegmenter

    Limits(least=0).check("--tolerance", tolerance)
    opened = MaskedCapture.open(capture)
    if mend:
        opened.adopt_masks()
    elif opened.has_own_masks:
        raise ValueError(f"{capture}: expected a capture without masks, found some: --mend mends them")
    opened.find(PersonSegmenter)
    opened.mend(tolerance)
    sheet = opened.draw_contact_sheet()
    print(f"Wrote masks of {len(opened.frames)} frames of {len(opened.cameras)} cameras to {capture}; look at {sheet}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(masks)


if __name__ == "__main__":
    entrypoint()
