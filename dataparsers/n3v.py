"""Neural 3D Video's captures (Li et al. 2022): synchronised videos of fixed cameras and LLFF's `poses_bounds.npy`."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification
from nerfstudio.utils.rich_utils import CONSOLE

from resfields_ns import options
from resfields_ns.captures.camera import check_proportion, describe_fit, in_proportion, scaled_size
from resfields_ns.captures.camera_files import LLFFRow, read_llff_poses
from resfields_ns.captures.image_files import check_size
from resfields_ns.captures.sequence import Capture, CapturedImage, Frames
from resfields_ns.captures.spaces import CUBE, cube_around_frusta
from resfields_ns.captures.time_stamps import frame_rate
from resfields_ns.captures.video_file import Video, extract_frames, frame_path, probe_video
from resfields_ns.captures.videos.alignment import align_videos, read_clocks
from resfields_ns.files import list_folder
from resfields_ns.host.dataparsing import SequenceDataParser

_POSES = "poses_bounds.npy"


@dataclass
class N3VDataParserConfig(options.Options, DataParserConfig):
    """A capture in the layout of Neural 3D Video: cam00.mp4, cam01.mp4, ... and poses_bounds.npy."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: N3V)
    data: Path = Path()
    """Folder of the capture; decoded frames are kept in its folder `frames`."""
    train_cameras: tuple[str, ...] = ()
    """Cameras to train on, such as cam01; by default all that are not test cameras."""
    test_cameras: tuple[str, ...] = ("cam00",)
    """Cameras to evaluate on."""
    frames: str = "::"
    """Frames to use, as start:stop:step; the videos' frames are matched by their time stamps."""
    image_scale: float = options.option(1.0, above=0, most=1)
    """Factor, at most 1, by which frames are made smaller when they are decoded."""

    def check_options(self) -> None:
        """Raise ValueError for cameras that are missing or named twice."""
        super().check_options()
        for option, names in [("--train-cameras", self.train_cameras), ("--test-cameras", self.test_cameras)]:
            if len(set(names)) < len(names):
                raise ValueError(f"{option}: expected different cameras, found {list(names)}")
        if not self.test_cameras:
            raise ValueError("--test-cameras: expected one or more cameras, found none")


class N3V(SequenceDataParser):
    """Reads a capture, decoding its videos to png files the first time; images are ordered by camera, then frame.

    The scene box is a cube around what all cameras see between the bounds that the file tells.
    """

    config: N3VDataParserConfig

    def read_sequence(self, split: str) -> Capture:
        """The capture, with the frames of the training or of the test cameras."""
        config = self.config
        rows = _find_cameras(config.data)
        train, test = self._split(list(rows))
        videos = {name: probe_video(config.data / f"{name}.mp4") for name in (*train, *test)}
        _check_videos(videos, rows)
        aligned = align_videos(videos, read_clocks(config.data, videos), None, config.frames, str(config.data))
        names = train if split == "train" else test
        sizes = {name: scaled_size(videos[name].size, config.image_scale) for name in names}
        folders = {name: config.data / "frames" / f"{width}x{height}" / name for name, (width, height) in sizes.items()}
        for name in names:
            extract_frames({folders[name]: videos[name]}, aligned.frames[name], sizes[name])
        to_world = cube_around_frusta([row.camera for row in rows.values()], [row.depths for row in rows.values()])
        cameras = {
            name: rows[name].camera.fitted(videos[name].size).moved(to_world.inverse).resized(sizes[name])
            for name in names
        }
        return Capture(
            frames=Frames(tuple(aligned.frames[aligned.reference]), frame_rate(aligned.matched.times)),
            images=tuple(
                CapturedImage(frame_path(folders[name], frame), name, cameras[name], float(position))
                for name in names
                for position, frame in enumerate(aligned.frames[name])
            ),
            to_world=to_world,
            box=CUBE,
            image_scale=config.image_scale,
        )

    def _split(self, found: list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Names of the cameras to train on and to evaluate on."""
        config = self.config
        train = config.train_cameras or tuple(name for name in found if name not in config.test_cameras)
        for option, names in [("--train-cameras", train), ("--test-cameras", config.test_cameras)]:
            unknown = [name for name in names if name not in found]
            if unknown:
                raise ValueError(
                    f"{option}: expected cameras of {config.data} ({', '.join(found)}), found {unknown[0]!r}"
                )
        if not train:
            raise ValueError(f"--train-cameras: expected a camera beside {', '.join(config.test_cameras)}, found none")
        return train, config.test_cameras


def _find_cameras(data: Path) -> dict[str, LLFFRow]:
    """The cameras of a capture by name; rows of the file are in the order of the videos' numbers."""
    if not data.is_dir():
        raise ValueError(f"{data}: expected the folder of a capture, found no such folder")
    names = [path.stem for path in list_folder(data, {".mp4"}) if path.stem.startswith("cam")]
    if not names:
        raise ValueError(f"{data}: expected videos cam00.mp4, cam01.mp4, ..., found none")
    cameras = read_llff_poses(data / _POSES)
    if len(cameras) != len(names):
        raise ValueError(
            f"{data / _POSES}: expected one row for each of the {len(names)} videos cam*.mp4, found {len(cameras)} rows"
        )
    return dict(zip(names, cameras, strict=True))


def _check_videos(videos: dict[str, Video], rows: dict[str, LLFFRow]) -> None:
    """Raise ValueError if videos differ in rate, or are not of the shape of their row."""
    first = next(iter(videos.values()))
    for name, video in videos.items():
        if abs(video.frame_rate - first.frame_rate) > 1e-3 * first.frame_rate:
            raise ValueError(
                f"{video.path}: expected {first.frame_rate:g} frames a second as {first.path.name} has, "
                f"found {video.frame_rate:g}"
            )
        if rows[name].camera.size == rows[first.path.stem].camera.size and not in_proportion(video.size, first.size):
            check_size(video.path, video.size, first.size, f"video {first.path.name}")
        calibrated = rows[name].camera.size
        check_proportion(str(video.path), video.size, calibrated, f"its row of {_POSES}")
        if (line := describe_fit(str(video.path), video.size, calibrated)) is not None:
            CONSOLE.print(line, soft_wrap=True)


n3v_specification = DataParserSpecification(
    config=N3VDataParserConfig(),
    description="Neural 3D Video: cam00.mp4, cam01.mp4, ... and poses_bounds.npy.",
)
