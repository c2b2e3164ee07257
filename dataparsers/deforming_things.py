"""Animations of DeformingThings4D (Li et al. 2021a): `.anime` files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.captures.meshes.mesh_frames import Bounds, MeshSequence, Normalisation
from resfields_ns.dataparsers.mesh_sequence import MeshDataParser, SequenceParserConfig


@dataclass
class DeformingThingsConfig(SequenceParserConfig):
    """An `.anime` file."""

    _target: type = field(default_factory=lambda: DeformingThings)
    data: Path = Path()
    """The `.anime` file."""
    up: Literal["y", "z"] = "z"
    """The axis that points up in pictures."""


class DeformingThings(MeshDataParser):
    """Reads an animation as the released code does, with frame 0, which that drops."""

    config: DeformingThingsConfig

    def open_sequence(self) -> MeshSequence:
        """The animation."""
        from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence

        if self.config.data.suffix.lower() != ".anime":
            raise ValueError(f"--data: expected an .anime file (others: mesh-sequence), found {self.config.data}")
        return open_mesh_sequence(self.config.data)

    def normalise(self, bounds: Bounds) -> Normalisation:
        """The released code's: one range for all axes."""
        return Normalisation.of_extremes(bounds)


deforming_things_specification = DataParserSpecification(
    config=DeformingThingsConfig(), description="An animated mesh of DeformingThings4D (.anime)."
)
