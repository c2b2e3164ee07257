"""The names that the authors' released code has for the parameters of a dynamic field and its density.

Released: dyrecon/models/{dysdf,fields,deformation_nets}.py and resfields/resfields.py of markomih/ResFields.
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from resfields_ns.fields.density import Density
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.fields.warps.bijective import BijectiveWarp
from resfields_ns.fields.warps.identity import IdentityWarp
from resfields_ns.fields.warps.se3 import SE3Warp
from resfields_ns.fields.warps.translation import TranslationWarp
from resfields_ns.fields.warps.warp import Warp

# Patterns at the start of our names, and what the released names have in their place.
_FIELD = {
    r"condition\.codes\.table": "deform_codes",
    r"ambient\.layers\.": "hyper_net.lin",
    r"mlp\.layers\.(\d+)\.coefficients\.table": r"sdf_net.lin\1.weights_t",
    r"mlp\.layers\.(\d+)\.basis": r"sdf_net.lin\1.matrix_t",
    r"mlp\.layers\.": "sdf_net.lin",
    r"colour\.net\.0\.": "color_net.lin0.",
    r"colour\.net\.2\.": "color_net.lin1.",
}
_DENSITY = {"raw_beta": "deviation_net.beta"}
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


def released_parameters(field: DynamicField, density: Density) -> dict[str, nn.Parameter]:
    """The parameters of a field and its density under their released names."""
    rules = {**_FIELD, **_WARPS[type(field.warp)]}
    named = {released_name(name, rules): parameter for name, parameter in field.named_parameters()}
    return named | {_DENSITY[name]: parameter for name, parameter in density.named_parameters()}


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
