"""The moment itself as an ambient coordinate."""

from dataclasses import dataclass, field

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.ambient.ambient import AmbientConfig, SpatiallyConstantAmbient
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers.encoding import WindowedPositionalEncoding


@dataclass
class MomentAmbientConfig(AmbientConfig):
    """The time of TNeRF (paper, A.4), the code of a frame of DyNeRF (Li et al. 2022)."""

    _target: type = field(default_factory=lambda: MomentAmbient)
    num_frequencies: int = 0
    """Frequencies of the encoding of the moment: 6 for a time, 0 for a code."""

    def __post_init__(self) -> None:
        if self.num_frequencies < 0:
            raise ValueError(f"ambient.num-frequencies: expected at least 0, got {self.num_frequencies}")


class MomentAmbient(SpatiallyConstantAmbient):
    """The encoded condition."""

    def __init__(self, config: MomentAmbientConfig, condition_dim: int) -> None:
        encoding = WindowedPositionalEncoding(condition_dim, config.num_frequencies)
        super().__init__(encoding.out_dim)
        self.encoding = encoding

    def set_progress(self, progress: float) -> None:
        """Open the encoding's window to a share in [0, 1] of its schedule."""
        self.encoding.set_progress(progress)

    def forward(
        self,
        points: Float[Tensor, "points 3"],
        condition: Float[Tensor, "segments condition"],
        segments: TimeSegments,
    ) -> Float[Tensor, "points ambient"]:
        """The encoded condition of every point's moment."""
        del points
        return segments.expand(self.encoding(condition))
