"""`rf-check`: look a capture over before anyone trains on it."""

import time
from pathlib import Path
from typing import Annotated, Any

import tyro

from resfields_ns.commands.command_line import run_command

# What needs torch is imported inside functions, and typed Any outside: slow to import, and not needed for --help.

_PORT = 7007  # nerfstudio's; the next free one is taken where it is in use


def check(
    capture: Annotated[Path, tyro.conf.Positional],
    options: Annotated[tuple[str, ...], tyro.conf.Positional] = (),
    dataparser: str | None = None,
    picture: Path | None = None,
    json: Path | None = None,
    view: bool = False,
) -> None:
    """Look a capture over: cameras, box, times, masks, clouds, depth, exposure, memory and disk.

    A few frames are read. The exit code is 1 if there is an error among the findings; warnings do not count.

    Example: rf-check CAPTURE --picture check.png -- --frames 0:50

    Args:
        capture: Folder of the capture.
        options: Options of the dataparser, after --, as for ns-train.
        dataparser: Name of the dataparser to read it with; by default recognised from the folder's files.
        picture: PNG file to write: cameras, box and scene, and each camera's image with what it should show.
        json: File to write the findings to, for machines.
        view: Show cameras, box and scene in a browser, until Ctrl-C.
    """
    _check_file("--picture", picture, ".png")
    _check_file("--json", json, ".json")

    from rich.console import Console  # these are slow to import, and not needed for --help

    from resfields_ns.captures.checks.findings import count, print_report, write_json
    from resfields_ns.captures.checks.layouts import check_dataparser, recognise_dataparser
    from resfields_ns.captures.checks.look_over import look_over

    name = recognise_dataparser(capture) if dataparser is None else check_dataparser(dataparser)
    scene, findings = look_over(capture, name, options)
    print_report(findings, Console())
    if json is not None:
        write_json(findings, capture, name, json)
    if scene is not None and picture is not None:
        _draw(scene, picture)
    if scene is not None and view:
        _view(scene)
    if count(findings, "error"):
        raise SystemExit(1)


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(check)


def _check_file(option: str, path: Path | None, suffix: str) -> None:
    if path is not None and (path.suffix != suffix or path.is_dir()):
        raise ValueError(f"{option}: expected the name of a {suffix} file, found {path}")


def _draw(scene: Any, path: Path) -> None:
    from resfields_ns.captures.checks.check_pictures import draw_picture
    from resfields_ns.files import write_aside

    with write_aside(path) as partial:
        draw_picture(scene.capture, scene.moments, partial)
    print(f"Wrote {path}")


def _view(scene: Any) -> None:
    """Serve the page until Ctrl-C."""
    import viser

    from resfields_ns.captures.checks.check_pictures import show_capture

    server = viser.ViserServer(host="127.0.0.1", port=_PORT)
    show_capture(server, scene.capture, scene.moments)
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        server.stop()


if __name__ == "__main__":
    entrypoint()
