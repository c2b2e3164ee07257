"""Videos: a picture that plays in space, with pixels or frames held out to be filled in."""

from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import Any

import torch
from nerfstudio.cameras.cameras import Cameras, CameraType
from nerfstudio.data.dataparsers.base_dataparser import DataParser, DataParserConfig, DataparserOutputs
from nerfstudio.data.scene_box import SceneBox
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.views import check_image_scale
from resfields_ns.functional.intersections import half_extents
from resfields_ns.timeline import parse_frames, times_from_frames

CAMERA_NAME = "front"
_CAMERA_DISTANCE = 2.0  # scene units before the picture
_BOX_HALF_DEPTH = 0.1  # scene units


@dataclass
class VideoFramesDataParserConfig(DataParserConfig):
    """A video file (mp4, mkv, gif, webm and others), a folder of frames, or a npy array."""

    _target: type = field(default_factory=lambda: VideoFrames)
    data: Path = Path()
    """The video."""
    frames: str = "::"
    """Frames to use, as start:stop:step."""
    image_scale: float = 1.0
    """Factor, at most 1, by which frames are made smaller."""
    held_out_pixels: float = 0.1
    """Share of each frame's pixels that is not trained on (paper, 4.1)."""
    held_out_frames: float = 0.0
    """Share of the frames that is not trained on (paper, Table A.2)."""
    hold_out_seed: int = 42
    """Which pixels and frames these are; those of the released code by default."""

    def __post_init__(self) -> None:
        check_image_scale(self.image_scale)
        for option, share in (("held-out-pixels", self.held_out_pixels), ("held-out-frames", self.held_out_frames)):
            if not 0.0 <= share < 1.0:
                raise ValueError(f"--{option}: expected a share from 0 to below 1, found {share}")
        if not 0 <= self.hold_out_seed < 2**32:
            raise ValueError(f"--hold-out-seed: expected 0 to {2**32 - 1}, found {self.hold_out_seed}")


class VideoFrames(DataParser):
    """One camera a frame, all in one place before the picture, which fills their view.

    The training split has the frames that have pixels to train on, the others have all frames.
    """

    config: VideoFramesDataParserConfig
    includes_time = True

    def __init__(self, config: VideoFramesDataParserConfig) -> None:
        super().__init__(config)
        clip = open_footage(config.data)
        self.frames = parse_frames(config.frames, clip.num_frames)
        width, height = (floor(length * config.image_scale + 1e-6) for length in clip.size)
        if min(width, height) < 2:
            raise ValueError(f"--image-scale: expected at least 2x2 pixels to be left, found {config.image_scale}")
        self.pixels = ClipPixels(clip, self.frames, height, width)
        self.hold_out = HoldOut.choose(
            len(self.frames), height * width, config.held_out_pixels, config.held_out_frames, config.hold_out_seed
        )

    def _generate_dataparser_outputs(self, split: str = "train", **kwargs: Any) -> DataparserOutputs:
        seen = ~self.hold_out.held_out_frames
        chosen = (seen if split == "train" else torch.ones_like(seen)).nonzero()[:, 0]
        height, width = self.pixels.height, self.pixels.width
        extent = torch.tensor([_BOX_HALF_DEPTH, *half_extents(height, width)])
        metadata = {
            "num_frames": len(self.frames),
            "frame_index": chosen,
            "frame_numbers": [self.frames[frame] for frame in chosen.tolist()] if split == "train" else self.frames,
            "picture_size": (height, width),
            "camera_names": [CAMERA_NAME] * len(chosen),
            "pixels": self.pixels,
            "hold_out": self.hold_out,
            "frame_rate": self.pixels.clip.frame_rate,
        }
        return DataparserOutputs(
            image_filenames=[self.config.data / f"{self.frames[frame]:06d}.png" for frame in chosen.tolist()],
            cameras=_cameras(height, width, times_from_frames(chosen, len(self.frames))),
            scene_box=SceneBox(aabb=torch.stack((-extent, extent))),
            metadata=metadata,
        )


def _cameras(height: int, width: int, times: torch.Tensor) -> Cameras:
    """A camera for each time, before the middle of a picture that fills its view."""
    right, up, back = torch.eye(3)[[1, 2, 0]]
    pose = torch.stack((right, up, back, _CAMERA_DISTANCE * back), dim=-1).repeat(len(times), 1, 1)
    focal = _CAMERA_DISTANCE * max(height, width) / 2.0
    return Cameras(
        camera_to_worlds=pose,
        fx=focal,
        fy=focal,
        cx=width / 2.0,
        cy=height / 2.0,
        width=width,
        height=height,
        camera_type=CameraType.PERSPECTIVE,
        times=times[:, None],
    )


video_frames_specification = DataParserSpecification(
    config=VideoFramesDataParserConfig(),
    description="A video file, a folder of frames or a npy array, with pixels or frames held out.",
)
