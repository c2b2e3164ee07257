"""Mesh sequences: a folder with one PLY or OBJ file a frame (ReSynth, Ma et al. 2021), or one file of any kind."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from nerfstudio.plugins.registry_dataparser import DataParserSpecification

from resfields_ns.mesh_sequences.bounds import Bounds
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.surfaces.normalised_sequence import Normalisation
from resfields_ns.surfaces.sequence_parser import SequenceParser, SequenceParserConfig


@dataclass
class MeshSequenceParserConfig(SequenceParserConfig):
    """A folder of meshes, or a .npz, .anime, .glb or .gltf file."""

    _target: type = field(default_factory=lambda: MeshSequenceParser)
    data: Path = Path()
    """The folder or the file."""
    units: Literal["normalised", "source"] = "normalised"
    """Whether the sequence's box is moved into [-1, 1]^3, or lies there already and stays (ReSynth, as released)."""


class MeshSequenceParser(SequenceParser):
    """Reads meshes of one or of changing topology."""

    config: MeshSequenceParserConfig

    def open_sequence(self) -> MeshSequence:
        """The folder or the file."""
        from resfields_ns.mesh_sequences.opening import open_mesh_sequence

        return open_mesh_sequence(self.config.data)

    def normalise(self, bounds: Bounds) -> Normalisation:
        """Centred in the box, or as it is."""
        if self.config.units == "normalised":
            return Normalisation.of_box(bounds)
        if bounds.lower.min() < -1.0 or bounds.upper.max() > 1.0:
            raise ValueError(
                f"--units source: expected vertices in [-1, 1]^3, found {bounds.lower.tolist()} to "
                f"{bounds.upper.tolist()} in {self.config.data}"
            )
        return Normalisation.none()


mesh_sequence_specification = DataParserSpecification(
    config=MeshSequenceParserConfig(), description="A mesh sequence: a folder of PLY or OBJ files, npz or glTF."
)
