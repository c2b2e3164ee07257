"""Videos: a picture that plays in space, with pixels or frames held out to be filled in."""

from dataclasses import dataclass, field
from math import floor
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.camera import Similarity
from resfields_ns.captures.clips.clip_pixels import ClipPixels, HoldOut
from resfields_ns.captures.clips.footage import Footage, open_footage
from resfields_ns.captures.clips.inpaint_masks import check_fits, read_inpaint_masks
from resfields_ns.captures.clips.picture_view import picture_box, picture_camera
from resfields_ns.captures.sequence import Clip, Frames, SequenceImage
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option, when, when_any
from resfields_ns.timeline import parse_frames

CAMERA_NAME = "front"


@dataclass
class VideoFramesDataParserConfig(Options, DataParserConfig):
    """A video file (mp4, mkv, gif, webm and others), a picture (png, jpg), a folder of them, or a npy array."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: VideoFrames)
    data: Path = Path()
    """The video."""
    frames: str = "::"
    """Frames to use, as start:stop:step."""
    image_scale: float = option(1.0, above=0, most=1)
    """Factor, at most 1, by which frames are made smaller."""
    held_out_pixels: float = option(0.1, least=0, below=1, acts=when("inpaint", None))
    """Share of each frame's pixels that is not trained on (paper, 4.1)."""
    held_out_frames: float = option(0.0, least=0, below=1, acts=when("inpaint", None))
    """Share of the frames that is not trained on (paper, Table A.2)."""
    hold_out_seed: int = option(
        42, least=0, most=2**32 - 1, acts=(when("inpaint", None), when_any("held_out_pixels", "held_out_frames"))
    )
    """Which pixels and frames these are; those of the released code by default."""
    inpaint: Path | None = None
    """Mask, white where nothing is trained on but filled in: a picture for all frames, a folder or a video."""
    blend_with: Path | None = None
    """A video of as many frames, or a picture, whose gradients take the place of weaker ones."""


class VideoFrames(SequenceDataParser):
    """One camera a frame, all in one place before the picture, which fills their view.

    The training split has the frames that have pixels to train on, the others have all frames.
    """

    config: VideoFramesDataParserConfig

    def __init__(self, config: VideoFramesDataParserConfig) -> None:
        super().__init__(config)
        clip = open_footage(config.data)
        self.frames = parse_frames(config.frames, clip.num_frames)
        width, height = (floor(length * config.image_scale + 1e-6) for length in clip.size)
        if min(width, height) < 2:
            raise ValueError(f"--image-scale: expected at least 2x2 pixels to be left, found {config.image_scale}")
        self.pixels = ClipPixels(clip, self.frames, height, width)
        self.hold_out = self._hold_out(clip, height, width)
        self.blended = self._blended(clip, height, width)

    def _hold_out(self, clip: Footage, height: int, width: int) -> HoldOut:
        config = self.config
        if config.inpaint is None:
            return HoldOut.choose(
                len(self.frames), height * width, config.held_out_pixels, config.held_out_frames, config.hold_out_seed
            )
        hold_out = HoldOut.of_masks(read_inpaint_masks(config.inpaint, clip, self.frames, height, width))
        if hold_out.held_out_frames.all() or not hold_out.any:
            found = "black" if not hold_out.any else "white, which leaves nothing to train on"
            raise ValueError(f"--inpaint: expected a mask that is white in part, found {config.inpaint} all {found}")
        return hold_out

    def _blended(self, clip: Footage, height: int, width: int) -> ClipPixels | None:
        if self.config.blend_with is None:
            return None
        other = open_footage(self.config.blend_with)
        check_fits(other, clip, "--blend-with")
        return ClipPixels(other, self.frames if other.num_frames > 1 else [0], height, width)

    def read_sequence(self, split: str) -> Clip:
        """The video, with the frames that the split trains on or shows."""
        seen = ~self.hold_out.held_out_frames
        chosen = (seen if split == "train" else torch.ones_like(seen)).nonzero()[:, 0].tolist()
        height, width = self.pixels.height, self.pixels.width
        camera = picture_camera(height, width)
        return Clip(
            frames=Frames(tuple(self.frames), self.pixels.clip.frame_rate or None),
            images=tuple(
                SequenceImage(self.config.data / f"{self.frames[i]:06d}.png", CAMERA_NAME, camera, float(i))
                for i in chosen
            ),
            to_world=Similarity(np.eye(4)),
            box=picture_box(height, width),
            pixels=self.pixels,
            hold_out=self.hold_out,
            blended=self.blended,
        )


video_frames_specification = DataParserSpecification(
    config=VideoFramesDataParserConfig(),
    description="A video file, a picture, a folder of them or a npy array, with pixels or frames held out.",
)
