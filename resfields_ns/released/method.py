"""Which method a checkpoint of the authors' released code holds, and of what sizes."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

from torch import Tensor

from resfields_ns.fields.ambient.ambient import AmbientConfig
from resfields_ns.fields.ambient.moment import MomentAmbientConfig
from resfields_ns.fields.ambient.none import NoAmbientConfig
from resfields_ns.fields.ambient.slicing import SlicingNetworkConfig
from resfields_ns.fields.conditions import CodeConditionConfig, ConditionConfig, ReleasedTimeConditionConfig
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.fields.warps.bijective import BijectiveWarpConfig
from resfields_ns.fields.warps.identity import IdentityWarpConfig
from resfields_ns.fields.warps.se3 import SE3WarpConfig
from resfields_ns.fields.warps.translation import TranslationWarpConfig
from resfields_ns.fields.warps.warp import WarpConfig

MethodName = Literal["tnerf", "dynerf", "dnerf", "nerfies", "hypernerf", "ndr"]
Tensors = Mapping[str, Tensor]
Default = TypeVar("Default", int, None)

OCTAVES = 6  # of the released encodings, but for that of D-NeRF's warp, which has none
ENCODED_POINT_DIM = 3 * (1 + 2 * OCTAVES)
DIRECTION_DIM = 3


@dataclass(frozen=True)
class ReleasedMethod:
    """What trained a checkpoint."""

    name: MethodName
    density: Literal["volsdf", "nerf"]
    field: DynamicFieldConfig
    num_frames: int | None
    """Frames of the sequence; None where no parameter tells."""


def infer_method(tensors: Tensors) -> ReleasedMethod:
    """Tell the method from released names, and its sizes from shapes.

    What shapes do not tell is taken from the released configs: the encodings, the number of NDR's blocks, and that what
    widens a colour head by three is the viewing direction.

    Raises ValueError if there is no dynamic field, or one of impossible sizes. Names that are missing or left over and
    shapes at odds with each other are found by `names.misfits`.
    """
    layers = _matrices(tensors, "sdf_net.lin", ".weight")
    if not layers:
        raise ValueError("expected a dynamic field (sdf_net.lin0.weight and so on), found no such parameters")
    num_layers = max(layers)
    out_dim, hidden_dim = layers[num_layers].shape
    feature_dim = out_dim - 1
    coefficients = _matrices(tensors, "sdf_net.lin", ".weights_t")
    colour_dim = _size(_matrices(tensors, "color_net.lin", ".weight").values(), dim=1, default=feature_dim)
    name = _method_name(tensors)
    condition, warp, ambient = _parts(name, tensors)
    field = DynamicFieldConfig(
        condition=condition,
        warp=warp,
        ambient=ambient,
        num_frequencies=OCTAVES,
        residual_layers=tuple(coefficients),
        rank=_size(coefficients.values(), dim=1, default=DynamicFieldConfig.rank),
        num_layers=num_layers,
        hidden_dim=hidden_dim,
        skip_layers=_skips(layers, joined=_size(layers.values(), dim=1, default=0)),
        feature_dim=feature_dim,
        colour="view" if colour_dim == feature_dim + DIRECTION_DIM else "feature",
    )
    density = "volsdf" if _any(tensors, "deviation_net.") else "nerf"
    num_frames = _size([*_codes(tensors), *coefficients.values()], dim=0, default=None)
    return ReleasedMethod(name, density, field, num_frames)


def _method_name(tensors: Tensors) -> MethodName:
    if _any(tensors, "deform_net.time_mlp."):
        return "dnerf"
    if _any(tensors, "deform_net.trunk."):
        return "hypernerf" if _any(tensors, "hyper_net.") else "nerfies"
    if _any(tensors, "deform_net."):
        return "ndr"
    return "dynerf" if "deform_codes" in tensors else "tnerf"


def _parts(name: MethodName, tensors: Tensors) -> tuple[ConditionConfig, WarpConfig, AmbientConfig]:
    time = ReleasedTimeConditionConfig()
    match name:
        case "tnerf":
            return time, IdentityWarpConfig(), MomentAmbientConfig(num_frequencies=OCTAVES)
        case "dnerf":
            return time, _translation_warp(tensors), NoAmbientConfig()
        case "dynerf":
            return _code(tensors), IdentityWarpConfig(), MomentAmbientConfig()
        case "nerfies":
            return _code(tensors), _se3_warp(tensors), NoAmbientConfig()
        case "hypernerf":
            return _code(tensors), _se3_warp(tensors), _slicing_network(tensors)
        case "ndr":
            return _code(tensors), _bijective_warp(tensors), _slicing_network(tensors)


def _code(tensors: Tensors) -> CodeConditionConfig:
    return CodeConditionConfig(dim=_size(_codes(tensors), dim=1, default=CodeConditionConfig.dim))


def _translation_warp(tensors: Tensors) -> TranslationWarpConfig:
    trunk = _matrices(tensors, "deform_net.time_mlp.net.", ".weight")
    config = TranslationWarpConfig
    return TranslationWarpConfig(
        num_layers=max(trunk, default=config.num_layers - 1) + 1,
        hidden_dim=_size(trunk.values(), dim=0, default=config.hidden_dim),
        skip_layer=_first_wide_layer(trunk, config.skip_layer),
        num_frequencies=0,
    )


def _se3_warp(tensors: Tensors) -> SE3WarpConfig:
    trunk = _matrices(tensors, "deform_net.trunk.net.", ".weight")
    config = SE3WarpConfig
    return SE3WarpConfig(
        num_layers=max(trunk, default=config.num_layers - 1) + 1,
        hidden_dim=_size(trunk.values(), dim=0, default=config.hidden_dim),
        skip_layer=_first_wide_layer(trunk, config.skip_layer),
        num_frequencies=OCTAVES,
    )


def _bijective_warp(tensors: Tensors) -> BijectiveWarpConfig:
    hidden = _matrices(tensors, "deform_net.lin", "_a_0.weight_v")
    return BijectiveWarpConfig(
        hidden_dim=_size(hidden.values(), dim=0, default=BijectiveWarpConfig.hidden_dim), num_frequencies=OCTAVES
    )


def _slicing_network(tensors: Tensors) -> SlicingNetworkConfig:
    layers = _matrices(tensors, "hyper_net.lin", ".weight")
    default = SlicingNetworkConfig()
    if not layers:
        return default
    num_layers = max(layers)
    num_coordinates, hidden_dim = layers[num_layers].shape
    skips = _skips(layers, joined=ENCODED_POINT_DIM)
    return SlicingNetworkConfig(
        num_coordinates=num_coordinates,
        num_layers=num_layers,
        hidden_dim=hidden_dim,
        skip_layer=skips[0] if skips else default.skip_layer,
        num_frequencies=OCTAVES,
        num_ambient_frequencies=OCTAVES,
    )


def _any(tensors: Tensors, prefix: str) -> bool:
    return any(name.startswith(prefix) for name in tensors)


def _codes(tensors: Tensors) -> list[Tensor]:
    return [tensor for name, tensor in tensors.items() if name == "deform_codes" and tensor.ndim == 2]


def _matrices(tensors: Tensors, prefix: str, suffix: str) -> dict[int, Tensor]:
    """The matrices named prefix, number below 100, suffix: by that number, in its order."""
    pattern = re.compile(re.escape(prefix) + r"(\d{1,2})" + re.escape(suffix))
    matches = ((pattern.fullmatch(name), tensor) for name, tensor in tensors.items() if tensor.ndim == 2)
    found = {int(match[1]): tensor for match, tensor in matches if match}
    return dict(sorted(found.items()))


def _size(matrices: Iterable[Tensor], dim: int, default: Default) -> int | Default:
    """A side of the first matrix."""
    return next((matrix.shape[dim] for matrix in matrices), default)


def _skips(layers: Mapping[int, Tensor], joined: int) -> tuple[int, ...]:
    """Layers to whose input `joined` numbers are added, for which the layers before them are narrower."""
    last = max(layers)
    width = layers[last].shape[1] - joined
    return tuple(index + 1 for index in layers if index + 1 < last and layers[index].shape[0] == width)


def _first_wide_layer(layers: Mapping[int, Tensor], default: int) -> int:
    """The layer that sees the input beside the layer before it, for which it is wider."""
    width = sum(layers[0].shape) if 0 in layers else None
    return next((index for index, layer in layers.items() if index > 0 and layer.shape[1] == width), default)
