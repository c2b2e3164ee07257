"""Sizes and names of the released code's Siren: the class SirenMLP in models/fields.py of markomih/ResFields."""

import re
from collections.abc import Mapping

from torch import Tensor, nn

from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.released.names import released_name

_LAYER = re.compile(r"net\.(\d{1,2})\.weight")
_NAMES = {
    r"mlp\.layers\.(\d+)\.coefficients\.table": r"net.\1.weights_t",
    r"mlp\.layers\.(\d+)\.basis": r"net.\1.matrix_t",
    r"mlp\.layers\.": "net.",
}


def infer_siren(tensors: Mapping[str, Tensor]) -> tuple[SirenFieldConfig, int | None]:
    """Sizes of a Siren, and the frames of its sequence where it has residual layers to tell."""
    layers = siren_matrices(tensors)
    tables = {index: tensors.get(f"net.{index}.weights_t") for index in layers}
    coefficients = {index: table for index, table in tables.items() if table is not None and table.ndim == 2}
    num_frames, rank = next((tuple(table.shape) for table in coefficients.values()), (None, SirenFieldConfig.rank))
    field = SirenFieldConfig(
        residual_layers=tuple(coefficients), rank=rank, num_layers=max(layers), hidden_dim=layers[min(layers)].shape[0]
    )
    return field, num_frames


def siren_parameters(field: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters of a `SirenField` under their released names."""
    return {released_name(name, _NAMES): parameter for name, parameter in field.named_parameters()}


def siren_matrices(tensors: Mapping[str, Tensor]) -> dict[int, Tensor]:
    """The weights of the layers, by their index."""
    matches = ((_LAYER.fullmatch(name), tensor) for name, tensor in tensors.items() if tensor.ndim == 2)
    return {int(match[1]): tensor for match, tensor in matches if match}
