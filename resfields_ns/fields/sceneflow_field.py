"""Scene flow as a field (paper, 4.4), and the motions that its numbers stand for."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor

from resfields_ns.fields.sequence_field import SequenceField
from resfields_ns.functional.curves import dct_basis
from resfields_ns.functional.motion import Flow, apply_twist
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.layers import PositionalEncoding, ReLUMLP, ResidualOptions
from resfields_ns.options import option, when
from resfields_ns.timeline import frame_positions, network_times


class Motion(ABC):
    """Reads the flow of points from the numbers that an MLP gives for them; zeros are stillness.

    Args:
        num_outputs: how many numbers a point needs
    """

    def __init__(self, num_outputs: int) -> None:
        self.num_outputs = num_outputs

    @abstractmethod
    def __call__(self, raw: Float[Tensor, "points outputs"], points: TimedPoints) -> Flow:
        """Flow of the points."""


class OffsetMotion(Motion):
    """The numbers are the two flow vectors (Li et al. 2021b, Prokudin et al. 2023)."""

    def __init__(self) -> None:
        super().__init__(num_outputs=6)

    def __call__(self, raw: Float[Tensor, "points outputs"], points: TimedPoints) -> Flow:
        """The first three numbers forward, the others backward."""
        del points
        return Flow(*raw.split(3, dim=-1))


class SE3Motion(Motion):
    """The numbers are two twists (w, v): a point x flows to exp(w, v) x (Park et al. 2021a, Wang et al. 2023a)."""

    def __init__(self) -> None:
        super().__init__(num_outputs=12)

    def __call__(self, raw: Float[Tensor, "points outputs"], points: TimedPoints) -> Flow:
        """The first six numbers forward, the others backward."""
        rotation, translation, back_rotation, back_translation = raw.split(3, dim=-1)
        return Flow(
            forward=apply_twist(rotation, translation, points.positions) - points.positions,
            backward=apply_twist(back_rotation, back_translation, points.positions) - points.positions,
        )


class DCTMotion(Motion):
    """The numbers are the coefficients c_k of a point's trajectory, which gives both flows (Wang et al. 2021a).

    Args:
        num_frames: N, the frames that a trajectory runs over
        num_functions: K, the cosines that it is made of
    """

    def __init__(self, num_frames: int, num_functions: int) -> None:
        super().__init__(num_outputs=3 * num_functions)
        self.num_frames = num_frames
        self.num_functions = num_functions

    def __call__(self, raw: Float[Tensor, "points outputs"], points: TimedPoints) -> Flow:
        """x(u + 1) - x(u) and x(u - 1) - x(u) at the point's own frame position u."""
        segments = points.segments
        coefficients = raw.view(-1, self.num_functions, 3)
        here = frame_positions(segments.times, self.num_frames)
        basis, after, before = (
            dct_basis(positions, self.num_frames, self.num_functions) for positions in (here, here + 1.0, here - 1.0)
        )
        return Flow(
            forward=(coefficients * segments.expand(after - basis)[..., None]).sum(dim=1),
            backward=(coefficients * segments.expand(before - basis)[..., None]).sum(dim=1),
        )


MOTIONS: dict[str, Callable[["SceneFlowFieldConfig", int], Motion]] = {
    "offset": lambda config, num_frames: OffsetMotion(),
    "se3": lambda config, num_frames: SE3Motion(),
    "dct": lambda config, num_frames: DCTMotion(num_frames, config.num_cosines),
}


@dataclass
class SceneFlowFieldConfig(ResidualOptions, InstantiateConfig):
    """Motion model and sizes; the defaults are the paper's (4.4)."""

    _target: type = field(default_factory=lambda: SceneFlowField)
    motion: Literal["offset", "se3", "dct"] = "dct"
    """What the MLP predicts: offset vectors, rigid transformations, or coefficients of a trajectory of cosines."""
    num_cosines: int = option(6, least=1, acts=when("motion", "dct"))
    """Cosines of a trajectory (for dct)."""
    residual_layers: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """Layers (0 to num_layers) whose weights carry a time-dependent residual; none is the plain baseline."""
    num_layers: int = option(8, least=1)
    """Hidden layers of the MLP."""
    hidden_dim: int = option(128, least=1)
    """Width of the MLP."""
    num_frequencies: int = option(6, least=0)
    """Octaves of the positional encoding of points."""
    num_time_frequencies: int = option(6, least=0)
    """Octaves of the positional encoding of time."""

    def check_options(self) -> None:
        """Raise ValueError for residual layers that are none of the layers."""
        super().check_options()
        self.check_residual_layers(self.num_layers + 1)


class SceneFlowField(SequenceField):
    """Flow of points to the next frame and to the one before; it starts as stillness.

    Asked as a field of the host, it is empty space, for flow says where points go and not where any are; its outputs
    are `forward` and `backward`, for whoever has a density from elsewhere.

    Args:
        config: motion model and sizes
        num_frames: frames of the sequence, at least 2

    Raises:
        ValueError: if there are fewer frames
    """

    def __init__(self, config: SceneFlowFieldConfig, num_frames: int) -> None:
        super().__init__()
        if num_frames < 2:
            raise ValueError(f"num_frames: expected a sequence of at least 2 frames, got {num_frames}")
        self.num_frames = num_frames
        self.encoding = PositionalEncoding(3, config.num_frequencies)
        self.time_encoding = PositionalEncoding(1, config.num_time_frequencies)
        self.motion = MOTIONS[config.motion](config, num_frames)
        sizes = [self.encoding.out_dim + self.time_encoding.out_dim] + [config.hidden_dim] * config.num_layers
        shapes = list(zip(sizes, [*sizes[1:], self.motion.num_outputs], strict=True))
        self.mlp = ReLUMLP(shapes, config.layer_maker(num_frames))
        self.mlp.layers[-1].start_at_rest()

    def flow(self, points: TimedPoints) -> Flow:
        """Flow of points, in normalised units a frame."""
        segments = points.segments
        times = segments.expand(self.time_encoding(network_times(segments.times)[:, None]))
        raw = self.mlp(torch.cat((self.encoding(points.positions), times), dim=-1), segments)
        return self.motion(raw, points)

    def density_and_embedding(
        self, points: TimedPoints
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points embedding"]]:
        """Nothing anywhere."""
        return torch.zeros_like(points.positions[:, 0]), points.positions[:, :0]

    def outputs(
        self,
        points: TimedPoints,
        directions: Float[Tensor, "points 3"],
        embedding: Float[Tensor, "points embedding"],
    ) -> dict[Any, Float[Tensor, "points channels"]]:
        """`forward` and `backward` flow, in normalised units a frame."""
        del directions, embedding
        flow = self.flow(points)
        return {"forward": flow.forward, "backward": flow.backward}
