"""The sizes of warps that have a ReLU trunk."""

from dataclasses import dataclass

from resfields_ns.fields.warps.warp import WarpConfig


@dataclass
class TrunkWarpConfig(WarpConfig):
    """A `SkipMLP` of encoded points and a condition."""

    num_layers: int = 6
    """Layers of the trunk."""
    hidden_dim: int = 128
    """Width of the trunk and of what follows it."""
    skip_layer: int = 5
    """Layer that also sees the trunk's input."""
    num_frequencies: int = 6
    """Frequencies of the encoding of points."""

    def __post_init__(self) -> None:
        if self.num_layers < 2:
            raise ValueError(f"warp.num-layers: expected at least 2, got {self.num_layers}")
        if self.hidden_dim < 1:
            raise ValueError(f"warp.hidden-dim: expected at least 1, got {self.hidden_dim}")
        if not 0 < self.skip_layer < self.num_layers:
            raise ValueError(f"warp.skip-layer: expected 1 to {self.num_layers - 1}, got {self.skip_layer}")
        if self.num_frequencies < 0:
            raise ValueError(f"warp.num-frequencies: expected at least 0, got {self.num_frequencies}")
