"""Sounds: a recording cut into windows, or a folder of clips, with samples held out to be filled in."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.camera import Similarity
from resfields_ns.captures.clips.clip_pixels import HoldOut
from resfields_ns.captures.clips.picture_view import picture_box, picture_camera
from resfields_ns.captures.clips.sound_files import SoundWindows, open_sound
from resfields_ns.captures.sequence import Frames, SequenceImage, Sound
from resfields_ns.functional.waveforms import DRAWING_SIZE
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option, when_any
from resfields_ns.timeline import parse_frames

CAMERA_NAME = "front"


@dataclass
class SoundWindowsDataParserConfig(Options, DataParserConfig):
    """A sound file (wav, flac, ogg, aiff), cut into windows, or a folder of them, each a window."""

    prefix: ClassVar[str] = "--"

    _target: type = field(default_factory=lambda: SoundWindowsDataParser)
    data: Path = Path()
    """The sound, or the folder."""
    window: float = option(0.1, above=0)
    """Seconds of a window of a file; of a folder, each file is one, as long as the longest."""
    frames: str = "::"
    """Windows to use, as start:stop:step."""
    held_out_samples: float = option(0.0, least=0, below=1)
    """Share of each window's samples that is not trained on."""
    hold_out_seed: int = option(42, least=0, most=2**32 - 1, acts=when_any("held_out_samples"))
    """Which samples these are."""


class SoundWindowsDataParser(SequenceDataParser):
    """One camera a window, all in one place before the drawing of its waveform, which fills their view."""

    config: SoundWindowsDataParserConfig

    def __init__(self, config: SoundWindowsDataParserConfig) -> None:
        super().__init__(config)
        source = open_sound(config.data, config.window)
        self.frames = parse_frames(config.frames, len(source.lengths))
        self.windows = SoundWindows(source, self.frames)
        self.hold_out = HoldOut.choose(
            len(self.frames), source.window, config.held_out_samples, 0.0, config.hold_out_seed
        )

    def read_sequence(self, split: str) -> Sound:
        """All windows, whatever the split."""
        del split
        height, width = DRAWING_SIZE
        camera = picture_camera(height, width)
        return Sound(
            frames=Frames(tuple(self.frames), 1.0 / self.windows.seconds),
            images=tuple(
                SequenceImage(self.config.data / f"{number:06d}.png", CAMERA_NAME, camera, float(index))
                for index, number in enumerate(self.frames)
            ),
            to_world=Similarity(np.eye(4)),
            box=picture_box(height, width),
            windows=self.windows,
            hold_out=self.hold_out,
        )


sound_windows_specification = DataParserSpecification(
    config=SoundWindowsDataParserConfig(),
    description="A sound file cut into windows, or a folder of sounds, with samples held out.",
)
