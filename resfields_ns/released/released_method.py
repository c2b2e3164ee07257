"""Which method a checkpoint of the authors' released code holds, of what sizes, and its names of parameters.

Released: dyrecon/models/{dysdf,fields,deformation_nets}.py and resfields/resfields.py of markomih/ResFields.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from resfields_ns.fields.ambient import SlicingNetworkConfig
from resfields_ns.fields.bijective_warp import BijectiveWarp, BijectiveWarpConfig
from resfields_ns.fields.conditions import LatentCodeConditionConfig
from resfields_ns.fields.dynamic_field import DynamicField, DynamicFieldConfig
from resfields_ns.fields.parts import AmbientOptions, ConditionOptions, WarpOptions
from resfields_ns.fields.warps import (
    IdentityWarp,
    SE3Warp,
    SE3WarpConfig,
    TranslationWarp,
    TranslationWarpConfig,
    Warp,
)

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


def _parts(name: MethodName, tensors: Tensors) -> tuple[ConditionOptions, WarpOptions, AmbientOptions]:
    time, no_warp, no_ambient = ConditionOptions(kind="released-time"), WarpOptions(), AmbientOptions()
    match name:
        case "tnerf":
            return time, no_warp, AmbientOptions(kind="moment", num_frequencies=OCTAVES)
        case "dnerf":
            return time, _translation_warp(tensors), no_ambient
        case "dynerf":
            return _latent_code(tensors), no_warp, AmbientOptions(kind="moment", num_frequencies=0)
        case "nerfies":
            return _latent_code(tensors), _se3_warp(tensors), no_ambient
        case "hypernerf":
            return _latent_code(tensors), _se3_warp(tensors), _slicing_network(tensors)
        case "ndr":
            return _latent_code(tensors), _bijective_warp(tensors), _slicing_network(tensors)


def _latent_code(tensors: Tensors) -> ConditionOptions:
    dim = _size(_codes(tensors), dim=1, default=LatentCodeConditionConfig.dim)
    return ConditionOptions(kind="latent-code", dim=dim)


def _translation_warp(tensors: Tensors) -> WarpOptions:
    trunk = _matrices(tensors, "deform_net.time_mlp.net.", ".weight")
    config = TranslationWarpConfig
    return WarpOptions(
        kind="translation",
        num_layers=max(trunk, default=config.num_layers - 1) + 1,
        hidden_dim=_size(trunk.values(), dim=0, default=config.hidden_dim),
        skip_layer=_first_wide_layer(trunk, config.skip_layer),
        num_frequencies=0,
    )


def _se3_warp(tensors: Tensors) -> WarpOptions:
    trunk = _matrices(tensors, "deform_net.trunk.net.", ".weight")
    config = SE3WarpConfig
    return WarpOptions(
        kind="se3",
        num_layers=max(trunk, default=config.num_layers - 1) + 1,
        hidden_dim=_size(trunk.values(), dim=0, default=config.hidden_dim),
        skip_layer=_first_wide_layer(trunk, config.skip_layer),
        num_frequencies=OCTAVES,
    )


def _bijective_warp(tensors: Tensors) -> WarpOptions:
    hidden = _matrices(tensors, "deform_net.lin", "_a_0.weight_v")
    hidden_dim = _size(hidden.values(), dim=0, default=BijectiveWarpConfig.hidden_dim)
    return WarpOptions(kind="bijective", hidden_dim=hidden_dim, num_frequencies=OCTAVES)


def _slicing_network(tensors: Tensors) -> AmbientOptions:
    layers = _matrices(tensors, "hyper_net.lin", ".weight")
    if not layers:
        return AmbientOptions(kind="slicing")
    num_layers = max(layers)
    num_coordinates, hidden_dim = layers[num_layers].shape
    skips = _skips(layers, joined=ENCODED_POINT_DIM)
    return AmbientOptions(
        kind="slicing",
        num_coordinates=num_coordinates,
        num_layers=num_layers,
        hidden_dim=hidden_dim,
        skip_layer=skips[0] if skips else SlicingNetworkConfig.skip_layer,
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


# Patterns at the start of our names, and what the released names have in their place.
_FIELD = {
    r"condition\.codes\.table": "deform_codes",
    r"ambient\.layers\.": "hyper_net.lin",
    r"mlp\.layers\.(\d+)\.coefficients\.table": r"sdf_net.lin\1.weights_t",
    r"mlp\.layers\.(\d+)\.basis": r"sdf_net.lin\1.matrix_t",
    r"mlp\.layers\.": "sdf_net.lin",
    r"colour\.net\.0\.": "color_net.lin0.",
    r"colour\.net\.2\.": "color_net.lin1.",
    r"density\.raw_beta": "deviation_net.beta",
}
_WARPS: dict[type[Warp], dict[str, str]] = {
    IdentityWarp: {},
    TranslationWarp: {
        r"warp\.trunk\.layers\.": "deform_net.time_mlp.net.",
        r"warp\.offset\.": "deform_net.time_mlp.net_out.",
    },
    SE3Warp: {
        r"warp\.trunk\.layers\.": "deform_net.trunk.net.",
        r"warp\.rotation\.0\.": "deform_net.branches_w.net.0.",
        r"warp\.rotation\.2\.": "deform_net.branches_w.net_out.",
        r"warp\.translation\.0\.": "deform_net.branches_v.net.0.",
        r"warp\.translation\.2\.": "deform_net.branches_v.net_out.",
    },
    BijectiveWarp: {
        r"warp\.blocks\.(\d)\.code\.": r"deform_net.lin\1_c.",
        r"warp\.blocks\.(\d)\.shift\.0\.parametrizations\.weight\.original0": r"deform_net.lin\1_a_0.weight_g",
        r"warp\.blocks\.(\d)\.shift\.0\.parametrizations\.weight\.original1": r"deform_net.lin\1_a_0.weight_v",
        r"warp\.blocks\.(\d)\.shift\.0\.": r"deform_net.lin\1_a_0.",
        r"warp\.blocks\.(\d)\.shift\.2\.": r"deform_net.lin\1_a_1.",
        r"warp\.blocks\.(\d)\.motion\.0\.parametrizations\.weight\.original0": r"deform_net.lin\1_b_0.weight_g",
        r"warp\.blocks\.(\d)\.motion\.0\.parametrizations\.weight\.original1": r"deform_net.lin\1_b_0.weight_v",
        r"warp\.blocks\.(\d)\.motion\.0\.": r"deform_net.lin\1_b_0.",
        r"warp\.blocks\.(\d)\.motion\.2\.": r"deform_net.lin\1_b_1.",
    },
}


def released_parameters(field: DynamicField) -> dict[str, nn.Parameter]:
    """The parameters of a field under their released names."""
    rules = {**_FIELD, **_WARPS[type(field.warp)]}
    return {released_name(name, rules): parameter for name, parameter in field.named_parameters()}


def released_name(name: str, rules: Mapping[str, str]) -> str:
    """The released name of one of our parameters, by patterns at its start and what stands in their place there."""
    for pattern, released in rules.items():
        if match := re.match(pattern, name):
            return match.expand(released) + name[match.end() :]
    raise AssertionError(f"{name} has no released name")


def released_shape(name: str, parameter: nn.Parameter) -> list[int]:
    """The shape that a parameter of ours has under its released name: matrices of a basis are flat there."""
    return list((parameter.flatten(start_dim=1) if name.endswith(".matrix_t") else parameter).shape)


def misfits(parameters: Mapping[str, nn.Parameter], released: Mapping[str, Tensor]) -> list[str]:
    """Where released tensors do not fit parameters under released names, one for one: a line for each that is wrong."""
    lines = []
    for name, parameter in parameters.items():
        expected = released_shape(name, parameter)
        if name not in released:
            lines.append(f"{name}: expected {expected}, found none")
        elif (found := list(released[name].shape)) != expected:
            lines.append(f"{name}: expected {expected}, found {found}")
    unknown = [name for name in released if name not in parameters]
    return lines + [f"{name}: expected none, found {list(released[name].shape)}" for name in unknown]


@torch.no_grad()
def copy_released(parameters: Mapping[str, nn.Parameter], released: Mapping[str, Tensor]) -> None:
    """Fill parameters under released names with released tensors that fit."""
    for name, parameter in parameters.items():
        parameter.copy_(released[name].view_as(parameter))
