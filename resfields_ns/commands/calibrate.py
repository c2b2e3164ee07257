"""`rf-calibrate`: cameras from pictures of a calibration board, and the board itself."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from resfields_ns.commands.command_line import run_command

# What is slow to import, and not needed for --help, is imported inside functions, and typed Any outside.

Positional = tyro.conf.Positional


@dataclass
class BoardOptions(ABC):
    """What every subcommand must know: the board."""

    squares: tuple[int, int]
    """Squares across and down (squares, not corners)."""
    square_mm: float
    """Side of a square, measured on the print, in millimetres."""
    marker_mm: float | None = None
    """Side of a marker of a ChArUco board, in millimetres; by default three quarters of a square."""
    dictionary: str = "5x5_250"
    """Of the markers, as OpenCV calls it."""
    pattern: Literal["charuco", "checkerboard"] = "charuco"
    """Kind of board."""

    @abstractmethod
    def main(self) -> None:
        """Do what the subcommand says."""

    def board(self) -> Any:
        """The `Board`; ValueError for one that cannot be."""
        from resfields_ns.captures.boards.board import Board

        if self.marker_mm is not None and self.pattern == "checkerboard":
            raise ValueError("--marker-mm: expected a ChArUco board, found --pattern checkerboard")
        marker = 0.75 * self.square_mm if self.marker_mm is None else self.marker_mm
        return Board(self.pattern, *self.squares, self.square_mm / 1000, marker / 1000, self.dictionary)


@dataclass
class PrintBoard(BoardOptions):
    """Write a board to print at 100 %, with rulers to check it by."""

    out: Annotated[Path, Positional] = field(kw_only=True)
    """PDF or PNG file to write."""
    paper: Literal["a4", "a3", "a2", "a1", "a0", "letter", "tabloid"] = "a4"
    """Size of the sheet."""

    def main(self) -> None:
        """Write it."""
        from resfields_ns.captures.boards.board_page import write_board

        board = self.board()
        write_board(board, self.out, self.paper)
        print(f"Wrote {self.out}: print it at 100 %, check it with the rulers, and glue it to something flat")
        print(f"Calibrate with: rf-calibrate cameras RECORDING OUT {board.describe()}")


@dataclass
class Calibrating(BoardOptions):
    """What calibrations have in common."""

    frames: str = "::"
    """Pictures of each camera to look at, as start:stop:step."""

    def find(self, sources: Any) -> Any:
        """The `Views` of the board in each `PictureSource`."""
        from resfields_ns.captures.boards.board_sources import find_boards

        views = find_boards(sources, self.board(), self.frames, show_progress=True)
        for name, of in views.items():
            print(f"{name}: board found in {len(of.sightings)} of {of.num_pictures} pictures, {of.num_corners} corners")
        return views

    def report(self, folder: Path, cameras: Any, with_poses: bool = True) -> None:
        """Write the picture of residuals and say what was found."""
        from resfields_ns.captures.boards.board_report import RESIDUAL_PICTURE, describe_cameras, draw_residuals

        draw_residuals(folder / RESIDUAL_PICTURE, cameras)
        print("\n".join(describe_cameras(cameras, with_poses)))


@dataclass
class CalibrateIntrinsics(Calibrating):
    """Calibrate how each camera sees, by itself: cameras need not see the board together."""

    recording: Annotated[Path, Positional] = field(kw_only=True)
    """Folder of videos, of folders of pictures, or of the pictures of one camera."""
    out: Annotated[Path, Positional] = field(kw_only=True)
    """Folder to write, new or empty: a file for each camera, for `rf-calibrate cameras --intrinsics`."""

    def main(self) -> None:
        """Calibrate each camera."""
        from resfields_ns.captures.boards.board_calibration import calibrate_optics
        from resfields_ns.captures.boards.board_report import write_opencv_files
        from resfields_ns.captures.boards.board_sources import find_sources
        from resfields_ns.captures.capture_writer import check_unused
        from resfields_ns.files import write_aside

        check_unused(self.out)
        cameras = calibrate_optics(self.find(find_sources(self.recording, None)), self.board())
        with write_aside(self.out) as folder:
            folder.mkdir()
            write_opencv_files(folder, cameras, with_poses=False)
            self.report(folder, cameras, with_poses=False)
        print(f"Wrote {self.out}; cameras that stand together: rf-calibrate cameras --intrinsics {self.out}")


@dataclass
class Placing(Calibrating):
    """What calibrations of several cameras have in common."""

    floor: tuple[str, str] | None = None
    """Camera and picture (a frame's number, a file's name without suffix) in which the board lies on the floor: the
    world has its origin in the board's middle, x to its right, y to its top and z up."""
    origin: str | None = None
    """Else the camera whose axes are the world's; by default the first."""
    offsets: Path | None = None
    """JSON file that says where in each recording the same moment is: {"cam01": {"frames": 3}}, or seconds."""

    def place(self, sources: Any, one_clock: bool = False) -> Any:
        """The calibrated cameras of `PictureSource`s, whose times are of one clock or not."""
        from resfields_ns.captures.boards.board_calibration import calibrate_cameras

        if self.floor is not None and self.origin is not None:
            raise ValueError("--floor, --origin: expected one of them, found both")
        return calibrate_cameras(self.find(sources), self.board(), self.floor, self.origin, one_clock)


@dataclass
class CalibrateCameras(Placing):
    """Calibrate cameras that see the board together, at least in pairs, for `rf-videos`."""

    recording: Annotated[Path, Positional] = field(kw_only=True)
    """Folder of videos, matched by time, or of folders of pictures, matched by name."""
    out: Annotated[Path, Positional] = field(kw_only=True)
    """Folder to write, new or empty: a file for each camera, for `rf-videos --calibration`."""
    intrinsics: Path | None = None
    """Calibration whose intrinsics are kept; what `rf-calibrate intrinsics` wrote, or any that `rf-videos` reads."""

    def main(self) -> None:
        """Calibrate all cameras."""
        from resfields_ns.captures.boards.board_report import write_opencv_files
        from resfields_ns.captures.boards.board_sources import find_sources, with_intrinsics
        from resfields_ns.captures.capture_writer import check_unused
        from resfields_ns.files import write_aside

        check_unused(self.out)
        sources = find_sources(self.recording, self.offsets)
        cameras = self.place(sources if self.intrinsics is None else with_intrinsics(sources, self.intrinsics))
        with write_aside(self.out) as folder:
            folder.mkdir()
            write_opencv_files(folder, cameras)
            self.report(folder, cameras)
        print(f"Wrote {self.out}; make a capture with: rf-videos VIDEOS CAPTURE --calibration {self.out}")


@dataclass
class CalibrateDevices(Placing):
    """Find where RGB-D devices stand, for `rf-kinect`; how they see is kept as the factory calibrated it."""

    out: Annotated[Path, Positional] = field(kw_only=True)
    """Folder to write, new or empty: rig.json."""
    recordings: tuple[Path, ...] = field(kw_only=True)
    """The MKV files; a device is named as its file."""

    def main(self) -> None:
        """Find the devices' poses."""
        from resfields_ns.captures.boards.board_report import RIG_FILE, write_rig
        from resfields_ns.captures.boards.board_sources import open_recordings
        from resfields_ns.captures.capture_writer import check_unused
        from resfields_ns.files import write_aside

        check_unused(self.out)
        paths = {path.stem: path for path in self.recordings}
        if len(paths) < len(self.recordings):
            raise ValueError(
                f"--recordings: expected files of different names, found {[p.stem for p in self.recordings]}"
            )
        sources, added = open_recordings(paths, self.offsets)
        cameras = self.place(sources, one_clock=any(source.recording.leads for source in sources.values()))
        with write_aside(self.out) as folder:
            folder.mkdir()
            write_rig(folder / RIG_FILE, cameras, added)
            self.report(folder, cameras)
        print(f"Wrote {self.out}; make a capture with: rf-kinect CAPTURE --recordings ... --rig {self.out / RIG_FILE}")


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)
def calibrate(
    task: Annotated[PrintBoard, tyro.conf.subcommand("board")]
    | Annotated[CalibrateIntrinsics, tyro.conf.subcommand("intrinsics")]
    | Annotated[CalibrateCameras, tyro.conf.subcommand("cameras")]
    | Annotated[CalibrateDevices, tyro.conf.subcommand("devices")],
) -> None:
    """Calibrate cameras by a ChArUco board or a checkerboard, and write the board to print.

    Example: rf-calibrate cameras recording calibration --squares 8 5 --square-mm 30 --floor cam0 12

    Args:
        task: What to do.
    """
    task.main()


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(calibrate)


if __name__ == "__main__":
    entrypoint()
