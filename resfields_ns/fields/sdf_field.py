"""Dynamic signed distance field with a feature for colour: TNeRF with residual layers (paper, 4.3 and A.4)."""

from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from nerfstudio.configs.base_config import InstantiateConfig
from torch import Tensor, nn

from resfields_ns import timeline
from resfields_ns.fields.colour import FeatureColour, ViewDependentColour
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import GeometricMLP, WindowedPositionalEncoding


@dataclass
class DynamicSDFFieldConfig(InstantiateConfig):
    """Sizes of a dynamic SDF field; the defaults are the paper's (A.4)."""

    _target: type = field(default_factory=lambda: DynamicSDFField)
    residual_layers: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)
    """Layers (0 to num_layers) whose weights carry a time-dependent residual; none is the plain TNeRF."""
    rank: int = 10
    """Rank of the residuals (R_i)."""
    coefficient_fraction: float = 1.0
    """Coefficient rows per residual layer as a share of the frames (T_i)."""
    num_layers: int = 8
    """Hidden layers of the SDF MLP."""
    hidden_dim: int = 128
    """Width of the SDF and colour MLPs."""
    skip_layer: int = 4
    """Layer that also sees the MLP's input."""
    feature_dim: int = 128
    """Size of the feature that the colour MLP sees."""
    num_frequencies: int = 6
    """Frequencies of the encoding of points."""
    num_time_frequencies: int = 6
    """Frequencies of the encoding of time."""
    initial_radius: float = 0.5
    """Radius of the sphere that the field starts as, in scene units."""
    view_dependent: bool = False
    """Let colour depend on the viewing direction; the paper does not, as sparse views cannot constrain it."""

    def __post_init__(self) -> None:
        if self.rank < 1:
            raise ValueError(f"field.rank: expected at least 1, got {self.rank}")
        if not 0.0 < self.coefficient_fraction <= 1.0:
            raise ValueError(f"field.coefficient-fraction: expected (0, 1], got {self.coefficient_fraction}")
        if outside := [index for index in self.residual_layers if not 0 <= index <= self.num_layers]:
            raise ValueError(f"field.residual-layers: expected 0 to {self.num_layers}, got {outside[0]}")
        if not 0 < self.skip_layer < self.num_layers:
            raise ValueError(f"field.skip-layer: expected 1 to {self.num_layers - 1}, got {self.skip_layer}")
        if self.hidden_dim <= (num_inputs := 4 + 6 * self.num_frequencies + 2 * self.num_time_frequencies):
            raise ValueError(f"field.hidden-dim: expected above the {num_inputs} inputs, got {self.hidden_dim}")


class DynamicSDFField(nn.Module):
    """Signed distance, its gradient, and colour of a point at a time.

    Args:
        config: sizes
        num_frames: frames of the sequence
    """

    def __init__(self, config: DynamicSDFFieldConfig, num_frames: int) -> None:
        super().__init__()
        self.config = config
        self.num_frames = num_frames
        self.point_encoding = WindowedPositionalEncoding(3, config.num_frequencies)
        self.time_encoding = WindowedPositionalEncoding(1, config.num_time_frequencies)
        self.sdf_mlp = GeometricMLP(
            num_coordinates=3,
            in_dim=self.point_encoding.out_dim + self.time_encoding.out_dim,
            hidden_dim=config.hidden_dim,
            num_hidden=config.num_layers,
            out_dim=1 + config.feature_dim,
            skip_layer=config.skip_layer,
            radius=config.initial_radius,
            residual_layers=config.residual_layers,
            num_frames=num_frames,
            rank=config.rank,
            coefficient_fraction=config.coefficient_fraction,
        )
        colour = ViewDependentColour if config.view_dependent else FeatureColour
        self.colour = colour(config.feature_dim, config.hidden_dim)

    def set_window_progress(self, progress: float) -> None:
        """Open the encodings' coarse-to-fine window to a share in [0, 1] of its schedule."""
        self.point_encoding.set_progress(progress)
        self.time_encoding.set_progress(progress)

    def sdf_and_feature(
        self, points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points feature"]]:
        """Signed distance (negative inside, scene units) and colour feature."""
        output = self.sdf_mlp(self._inputs(self.point_encoding(points), segments), segments)
        sdf, feature = output.split((1, self.config.feature_dim), dim=1)
        return sdf[:, 0], feature

    def sdf_gradient_and_feature(
        self, points: Float[Tensor, "points 3"], segments: TimeSegments
    ) -> tuple[Float[Tensor, "points"], Float[Tensor, "points 3"], Float[Tensor, "points feature"]]:
        """Signed distance, its spatial gradient (not normalised), and colour feature."""
        encoded = self.point_encoding(points)
        output, gradient = self.sdf_mlp.forward_with_gradient(self._inputs(encoded, segments), segments)
        gradient = self.point_encoding.pullback(encoded, gradient[:, : encoded.shape[1]])
        sdf, feature = output.split((1, self.config.feature_dim), dim=1)
        return sdf[:, 0], gradient, feature

    def network_times(self, times: Float[Tensor, "segments"]) -> Float[Tensor, "segments"]:
        """What the network sees of times in [0, 1]."""
        return timeline.network_times(times)

    def _inputs(self, encoded_points: Float[Tensor, "points encoded"], segments: TimeSegments) -> Tensor:
        times = self.time_encoding(self.network_times(segments.times)[:, None])
        return torch.cat((encoded_points, segments.expand(times)), dim=-1)
