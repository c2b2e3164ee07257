"""Every field as a `Field` of nerfstudio: its answers about ray samples are those that our models get."""

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
import torch
from nerfacc import OccGridEstimator
from nerfstudio.cameras.rays import Frustums, RaySamples
from nerfstudio.field_components.field_heads import FieldHeadNames
from nerfstudio.fields.base_field import Field
from torch import Tensor
from torch.nn.functional import normalize

from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.fields.hash_grid_field import HashGridFieldConfig
from resfields_ns.fields.sceneflow_field import MOTIONS, SceneFlowField, SceneFlowFieldConfig
from resfields_ns.fields.sequence_field import SequenceField
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.fields.value_field import ImplicitSurface, Picture, ValueField
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.volume import laplace_density
from tests.cases import DENSITIES, fill_parameters, over, perturb_parameters
from tests.methods import FIELDS

_FRAMES = 5
_FLOW = SceneFlowFieldConfig(num_layers=3, hidden_dim=16, residual_layers=(1, 2))
_FIELDS: dict[str, Callable[[], SequenceField]] = {
    **{
        f"{name}-{density}": lambda config=config, density=density: config.setup(
            num_frames=_FRAMES, density=deepcopy(DENSITIES[density])
        )
        for name, config in FIELDS.items()
        for density in DENSITIES
    },
    "siren-surface": lambda: SirenFieldConfig(hidden_dim=8).setup(num_frames=_FRAMES, quantity=ImplicitSurface()),
    "siren-picture": lambda: SirenFieldConfig(hidden_dim=8).setup(num_frames=_FRAMES, quantity=Picture(12, 16)),
    "hash-grid-picture": lambda: HashGridFieldConfig(num_levels=3, log2_hashmap_size=9).setup(
        num_frames=_FRAMES, quantity=Picture(12, 16)
    ),
    **{
        f"scene-flow-{motion}": lambda motion=motion: replace(_FLOW, motion=motion).setup(num_frames=_FRAMES)
        for motion in MOTIONS
    },
}


def _field(make: Callable[[], SequenceField]) -> SequenceField:
    """A field with every parameter moved, so that all of its parts matter."""
    torch.manual_seed(0)
    field = make()
    perturb_parameters(field, scale=0.03)
    fill_parameters(field, scale=0.1)
    return field


def _samples(shape: tuple[int, ...], with_times: bool = True) -> RaySamples:
    """Samples in [-1, 1]^3, a third of them close to the plane x = 0; times at and between frames, in no order."""
    generator = torch.Generator().manual_seed(1)
    positions = torch.rand(*shape, 3, generator=generator) * 2.0 - 1.0
    positions[..., 0] *= torch.rand(shape, generator=generator).mul(3.0).floor().mul(0.5).clamp(min=1e-3)
    times = torch.tensor([0.0, 0.25, 0.4, 1.0])[torch.randint(4, shape, generator=generator)][..., None]
    steps = torch.rand(*shape, 1, generator=generator)
    directions = normalize(torch.randn(*shape, 3, generator=generator), dim=-1)
    ends = steps + 0.02
    return RaySamples(
        frustums=Frustums(
            origins=positions - directions * (steps + ends) / 2,
            directions=directions,
            starts=steps,
            ends=ends,
            pixel_area=torch.ones_like(steps),
        ),
        times=times if with_times else None,
    )


def _slow_answers(field: SequenceField, samples: RaySamples) -> list[dict[Any, Tensor]]:
    """What the field says of one sample after the other."""
    positions, directions = samples.frustums.get_positions(), samples.frustums.directions
    times = torch.full_like(positions[..., :1], field.FALLBACK_TIME) if samples.times is None else samples.times
    answers = []
    for point, direction, time in zip(
        positions.reshape(-1, 3), directions.reshape(-1, 3), times.reshape(-1), strict=True
    ):
        points = TimedPoints.at(point[None], time)
        density, embedding = field.density_and_embedding(points)
        others = field.outputs(points, direction[None], embedding)
        answers.append({FieldHeadNames.DENSITY: density[:, None], **others})
    return answers


@over("make", _FIELDS)
def test_is_a_field_of_the_host(make: Callable[[], SequenceField]) -> None:
    assert isinstance(_field(make), Field)


@over("make", _FIELDS)
@pytest.mark.parametrize(("shape", "with_times"), [((), True), ((5,), False), ((2, 3, 2), True)])
def test_samples_in_any_order_get_the_answers_of_points(
    make: Callable[[], SequenceField], shape: tuple[int, ...], with_times: bool
) -> None:
    field, samples = _field(make), _samples(shape, with_times)
    found, slow = field(samples), _slow_answers(field, samples)
    assert found.keys() == slow[0].keys() and len(slow) == math.prod(shape)
    for name, values in found.items():
        expected = torch.cat([answer[name] for answer in slow])
        assert values.shape == (*shape, expected.shape[-1])
        torch.testing.assert_close(values.reshape(expected.shape), expected, atol=2e-4, rtol=2e-4)
    density = field.density_fn(samples.frustums.get_positions(), samples.times)
    assert torch.equal(density, found[FieldHeadNames.DENSITY])
    assert torch.equal(field.get_density(samples)[0], density)
    for name, values in field.get_outputs(samples).items():  # without the embedding
        torch.testing.assert_close(values, found[name], atol=1e-6, rtol=1e-6)


@over("make", _FIELDS)
def test_gradients_reach_every_parameter(make: Callable[[], SequenceField]) -> None:
    field = _field(make)
    torch.cat([values.square().flatten() for values in field(_samples((4, 6))).values()]).sum().backward()
    for name, parameter in field.named_parameters():
        assert parameter.grad is not None and parameter.grad.isfinite().all(), name
    assert any((parameter.grad != 0.0).any() for parameter in field.parameters())


@over("make", _FIELDS)
def test_an_occupancy_grid_of_nerfacc_learns_where_it_is(make: Callable[[], SequenceField]) -> None:
    field = _field(make)
    grid = OccGridEstimator(roi_aabb=[-1, -1, -1, 1, 1, 1], resolution=8, levels=1).train()
    grid.update_every_n_steps(step=0, occ_eval_fn=lambda x: field.density_fn(x) * 0.01, occ_thre=0.01)
    centres = (torch.stack(torch.meshgrid(*[torch.arange(8.0)] * 3, indexing="ij"), dim=-1) + 0.5) / 4.0 - 1.0
    with torch.no_grad():
        somewhere = bool((field.density_fn(centres) > 0.0).any())
    assert grid.get_buffer("occs").any() or not somewhere


@over("make", _FIELDS)
def test_normals_are_those_of_a_surface(make: Callable[[], SequenceField]) -> None:
    """Of length one, and where density has a slope, it falls along them."""
    field = _field(make).double()
    samples = _samples((40,))
    samples.frustums.origins, samples.times = samples.frustums.origins.double(), None
    if isinstance(field, SceneFlowField) or (isinstance(field, ValueField) and isinstance(field.quantity, Picture)):
        with pytest.raises(ValueError, match="^compute_normals: expected a field with a surface, found"):
            field(samples, compute_normals=True)
        return
    normals = field(samples, compute_normals=True)[FieldHeadNames.NORMALS]
    positions = samples.frustums.get_positions().requires_grad_()
    (gradient,) = torch.autograd.grad(field.density_fn(positions).sum(), positions)
    steep = gradient.norm(dim=-1) > 1e-3
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(40, dtype=torch.float64))
    torch.testing.assert_close(normals[steep], -normalize(gradient, dim=-1)[steep], atol=1e-5, rtol=1e-5)


@over("config", FIELDS)
@over("density", DENSITIES)
def test_a_dynamic_field_has_the_density_of_its_number(config: Any, density: Any) -> None:
    field = _field(lambda: config.setup(num_frames=_FRAMES, density=deepcopy(density)))
    assert isinstance(field, DynamicField)
    samples = _samples((9,))
    times = samples.times
    assert times is not None
    order = times[:, 0].argsort(stable=True)
    raw, feature = field.raw_and_feature(
        TimedPoints.from_times(samples.frustums.get_positions()[order], times[order, 0])
    )
    found = field(samples)
    torch.testing.assert_close(found[FieldHeadNames.DENSITY][order, 0], field.density(raw), atol=1e-4, rtol=1e-4)
    colours = field.colour(feature, samples.frustums.directions[order])
    torch.testing.assert_close(found[FieldHeadNames.RGB][order], colours, atol=1e-4, rtol=1e-4)


def test_a_surface_has_volsdfs_density_and_the_colours_of_its_normals() -> None:
    field: Any = _field(_FIELDS["siren-surface"])
    points = _samples((9,)).frustums.get_positions()
    found = field(_samples((9,), with_times=False), compute_normals=True)
    values = field.values(TimedPoints.at(points, 0.0))[:, 0]
    expected = laplace_density(values, torch.tensor(0.01))
    torch.testing.assert_close(found[FieldHeadNames.DENSITY][:, 0], expected, atol=1e-3, rtol=1e-4)
    normals = found[FieldHeadNames.NORMALS]
    torch.testing.assert_close(normals.norm(dim=-1), torch.ones(9))
    torch.testing.assert_close(found[FieldHeadNames.RGB], 0.5 + 0.5 * normals)


def test_a_picture_hangs_in_its_plane_and_stops_light() -> None:
    """12 rows and 16 columns: it reaches to 1 along y and to 0.75 along z; pixels see what the network says of them."""
    field: Any = _field(_FIELDS["siren-picture"])
    thick = torch.linspace(-0.03, 0.03, 601)
    light = torch.stack((thick, torch.full_like(thick, 0.2), torch.full_like(thick, -0.3)), dim=-1)
    optical_depth = (field.density_fn(light) * (thick[1] - thick[0])).sum()
    assert optical_depth.item() == pytest.approx(20.0, rel=0.01)
    beside = torch.tensor([[0.0, 1.01, 0.0], [0.0, 0.0, 0.76], [0.02, 0.0, 0.0]])
    assert (field.density_fn(beside) == 0.0).all()
    corner = torch.tensor([[0.0, -15.0 / 16.0, 11.0 / 16.0]])  # the centre of the first pixel
    rays = RaySamples(frustums=Frustums(corner, corner, torch.zeros(1, 1), torch.zeros(1, 1), torch.ones(1, 1)))
    expected = field.values(TimedPoints.at(torch.tensor([[-1.0, -1.0]]), 0.0))
    torch.testing.assert_close(field(rays)[FieldHeadNames.RGB], expected)


def test_scene_flow_is_empty_space_that_knows_where_points_go() -> None:
    field: Any = _field(_FIELDS["scene-flow-dct"])
    samples = _samples((5, 3), with_times=False)
    flow = field.flow(TimedPoints.at(samples.frustums.get_positions().view(-1, 3), 0.0))
    found = field(samples)
    assert found.keys() == {FieldHeadNames.DENSITY, "forward", "backward"}
    assert not found[FieldHeadNames.DENSITY].any()
    torch.testing.assert_close(found["forward"].view(-1, 3), flow.forward)
    torch.testing.assert_close(found["backward"].view(-1, 3), flow.backward)
