"""Networks of videos: what they see, where they stop, and sizes that cannot be."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from resfields_ns.data.coordinate_data import CoordinateDataManagerConfig
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.fields.siren_field import EncodingOptions, SirenFieldConfig, make_mlp_field
from resfields_ns.fields.value_field import Picture, ValueField
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.layers import PlainLinear
from resfields_ns.models.sdf_model import SDFModelConfig
from resfields_ns.models.video_model import VideoModelConfig
from tests.cases import perturb_parameters

SEGMENTS = TimeSegments(torch.tensor([0.0, 0.25, 1.0]), (4, 4, 4))
PICTURE = Picture(12, 16)
ENCODING = EncodingOptions(num_frequencies=3, gaussian_waves=6, gaussian_scale=0.5)
MLPS = ("siren", "relu", "relu-basic", "relu-positional", "gaussian")
FIELDS: dict[str, Callable[[], ValueField]] = {
    **{name: partial(make_mlp_field, name, SirenFieldConfig(hidden_dim=16), ENCODING, 5, PICTURE) for name in MLPS},
    "hash_grid": lambda: HashGridFieldConfig(num_levels=3, log2_hashmap_size=9).setup(num_frames=5, quantity=PICTURE),
}


def _field(name: str) -> ValueField:
    torch.manual_seed(0)
    field = FIELDS[name]()
    perturb_parameters(field, scale=0.05)
    return field


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_depends_on_time_and_position_and_every_parameter_learns(name: str) -> None:
    field = _field(name)
    points = TimedPoints(torch.rand(12, 2, generator=torch.manual_seed(1)) * 2.0 - 1.0, SEGMENTS)
    colours = field.values(points)
    assert colours.shape == (12, 3)
    same = field.values(points.moved(points.positions[:1].expand(12, 2)))
    assert torch.allclose(same[0], same[3]) and not torch.allclose(same[0], same[4])
    assert not torch.allclose(colours[0], colours[1])
    gradients = torch.autograd.grad(colours.square().sum(), list(field.parameters()))
    assert all(gradient.abs().max() > 0.0 for gradient in gradients)


def test_a_siren_sees_time_and_position_alike() -> None:
    """The network's first input is time in [-1, 1], as the coordinates are."""
    field: Any = _field("siren")
    seen: list[Tensor] = []
    field.mlp.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    points = torch.rand(12, 2)
    field.values(TimedPoints(points, SEGMENTS))
    times = torch.tensor([-1.0, -0.5, 1.0]).repeat_interleave(4)
    assert torch.equal(seen[0], torch.cat((times[:, None], points), dim=1))


@pytest.mark.parametrize("name", MLPS)
def test_one_frame_has_plain_layers(name: Any, capsys: pytest.CaptureFixture[str]) -> None:
    field = make_mlp_field(name, SirenFieldConfig(hidden_dim=8, residual_layers=(1, 2)), ENCODING, 1, PICTURE)
    assert all(isinstance(layer, PlainLinear) for layer in field.mlp.layers)
    assert "One frame: layers 1, 2 are plain" in capsys.readouterr().out


@pytest.mark.parametrize("kind", [VideoModelConfig, SDFModelConfig])
def test_configs_of_earlier_runs_have_the_sizes_of_encodings(kind: Any) -> None:
    config = object.__new__(kind)  # as nerfstudio reads one that does not name them
    assert config.encoding == EncodingOptions() and config.network == "siren"


def test_a_hash_grid_ends_at_the_border() -> None:
    field = _field("hash_grid")
    beyond, border = (torch.tensor([[0.3, edge]]).expand(12, 2) for edge in (1.2, 1.0))
    assert torch.equal(field.values(TimedPoints(beyond, SEGMENTS)), field.values(TimedPoints(border, SEGMENTS)))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SirenFieldConfig(hidden_dim=0), r"field.hidden-dim: expected at least 1, got 0"),
        (lambda: SirenFieldConfig(num_layers=2), r"field.residual-layers: expected 0 to 2, got 3"),
        (lambda: HashGridFieldConfig(num_levels=0), r"hash-grid.num-levels: expected at least 1, got 0"),
        (lambda: VideoModelConfig(fallback_time=1.5), r"model.fallback-time: expected 0 to 1, got 1.5"),
        (
            lambda: CoordinateDataManagerConfig(frames_per_batch=0),
            r"datamanager.frames-per-batch: expected at least 1, got 0",
        ),
    ],
)
def test_sizes_that_cannot_be(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        make()
