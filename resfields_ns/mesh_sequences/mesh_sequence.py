"""What all mesh sequences share."""

from abc import ABC, abstractmethod

from resfields_ns.mesh_sequences.mesh_frame import MeshFrame


class MeshSequence(ABC):
    """Frames of a moving surface; a frame is read, or computed, when it is asked for."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of frames."""

    @abstractmethod
    def frame(self, index: int) -> MeshFrame:
        """One frame, in the units and axes of the source.

        Raises ValueError if what the source holds of it is broken.
        """
