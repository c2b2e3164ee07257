"""Waves on a square that solve an equation: nothing is read, all is said by options."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
from nerfstudio.data.dataparsers.base_dataparser import DataParserConfig
from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.camera import Similarity
from resfields_ns.captures.clips.picture_view import picture_box, picture_camera
from resfields_ns.captures.clips.wave_references import SIDE, HelmholtzReference, MembraneReference, WaveReference
from resfields_ns.captures.sequence import Frames, PlaneWaves, SequenceImage
from resfields_ns.functional.wave_equations import HelmholtzEquation, Membrane
from resfields_ns.host.dataparsing import SequenceDataParser
from resfields_ns.options import Options, option

CAMERA_NAME = "front"


@dataclass
class WaveDataParserConfig(Options, DataParserConfig, ABC):
    """Waves on the square [-1, 1]^2."""

    prefix: ClassVar[str] = "--"

    data: Path = Path()
    """Unused: there are no data."""

    @property
    @abstractmethod
    def reference(self) -> WaveReference:
        """What is solved."""


@dataclass
class MembraneDataParserConfig(WaveDataParserConfig):
    """The wave equation: a membrane that is held at its border, and let go from a pulse in its middle."""

    _target: type = field(default_factory=lambda: WaveDataParser)
    num_frames: int = option(11, least=4)
    """Frames, evenly spread over the time; residual weights have a spline's piece between every two."""
    seconds: float = option(0.5, above=0)
    """Of all frames."""
    speed: float = option(1.0, above=0)
    """Of waves, in half sides of the square a second."""
    pulse_width: float = option(0.3, least=0.02, most=0.5)
    """Standard deviation of the pulse, in half sides."""

    @property
    def reference(self) -> MembraneReference:
        """The membrane."""
        return MembraneReference(Membrane(self.speed, self.seconds, self.pulse_width), self.num_frames)


@dataclass
class HelmholtzDataParserConfig(WaveDataParserConfig):
    """The Helmholtz equation: waves of one frequency go outward from a source, and end in a layer at the border."""

    _target: type = field(default_factory=lambda: WaveDataParser)
    wave_number: float = option(6.0, above=0, most=40)
    """Radians that a wave turns by along half a side of the square."""
    source_width: float = option(0.15, least=0.02, most=0.5)
    """Standard deviation of the source, in half sides."""
    layer: float = option(0.3, least=0.05, most=0.9)
    """Thickness of the perfectly matched layer, in half sides."""
    absorption: float = option(5.0, above=0)
    """Strength of the layer at the border."""

    @property
    def reference(self) -> HelmholtzReference:
        """The field of the source."""
        return HelmholtzReference(HelmholtzEquation(self.wave_number, self.source_width, self.layer, self.absorption))


class WaveDataParser(SequenceDataParser):
    """One camera a frame, all in one place before the square, which fills their view."""

    config: WaveDataParserConfig

    def __init__(self, config: WaveDataParserConfig) -> None:
        super().__init__(config)
        self.reference = config.reference

    def read_sequence(self, split: str) -> PlaneWaves:
        """All frames, whatever the split."""
        del split
        camera = picture_camera(SIDE, SIDE)
        frames = range(self.reference.num_frames)
        return PlaneWaves(
            frames=Frames(tuple(frames)),
            images=tuple(
                SequenceImage(Path(f"{frame:06d}.png"), CAMERA_NAME, camera, float(frame)) for frame in frames
            ),
            to_world=Similarity(np.eye(4)),
            box=picture_box(SIDE, SIDE),
            reference=self.reference,
        )


membrane_specification = DataParserSpecification(
    config=MembraneDataParserConfig(), description="The wave equation on a square membrane."
)
helmholtz_specification = DataParserSpecification(
    config=HelmholtzDataParserConfig(), description="The Helmholtz equation on a square with a matched layer."
)
