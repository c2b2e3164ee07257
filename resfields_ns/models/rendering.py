"""From rays to pixels: samples of a dynamic field, composited (paper, 4.3 and A.4)."""

import math
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.functional.rays import between_samples, intersect_box, stratum_positions
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.functional.shares import random_rows
from resfields_ns.functional.volume import composite, compositing_weights
from resfields_ns.models.level_grid import ShownLevels
from resfields_ns.models.samplers import SampledRays, Sampler, Stretches

NEGLIGIBLE_WEIGHT = 1e-4  # of a sample in its pixel
SAMPLES_AT_ONCE = 8  # of a ray in a picture, front to back
BINS_PER_CELL = 2  # of a ray along the longest side of what a grid of levels shows
PIECES = 48  # of what shows, that it tells the weights of


@dataclass(frozen=True)
class Rays:
    """Rays of unit length at times in [0, 1]; those that come in runs of equal time are the fastest.

    Where the runs are known beforehand, all rays are sampled, so that shapes are known too and nothing waits for a GPU.
    """

    origins: Float[Tensor, "rays 3"]
    directions: Float[Tensor, "rays 3"]
    times: Float[Tensor, "rays"]
    segments: TimeSegments | None = None


@dataclass(frozen=True)
class Rendering:
    """What rays see, and the samples that it is made of; rays that were not sampled see the background."""

    rgb: Float[Tensor, "rays 3"]
    """Colour in [0, 1]."""
    accumulation: Float[Tensor, "rays 1"]
    """Opacity in [0, 1]."""
    distance: Float[Tensor, "rays 1"]
    """Along the ray, weighted by the samples' opacity: 0 where nothing is."""
    rays: Int[Tensor, "hits"]
    """The rays that were sampled."""
    positions: Float[Tensor, "hits samples 3"]
    segments: TimeSegments
    """Of the sampled rays."""
    weights: Float[Tensor, "hits samples"]
    background: Float[Tensor, "rays 3"] | float
    """Colour or grey in [0, 1] behind it."""
    raw: Float[Tensor, "points"]
    """The field's number at every sample."""
    gradient: Float[Tensor, "some 3"] | None = None
    """The number's gradient in space, at the samples where it was asked for: as many of each sampled ray."""
    in_scene: Bool[Tensor, "hits"] | None = None
    """Which of the sampled rays can meet the scene, where those that cannot were kept."""
    coarse: tuple["Rendering", ...] = ()
    """The passes before this one, for samplers that refine."""
    raw_anywhere: Float[Tensor, "anywhere"] | None = None
    """The field's number at random points of the scene, where it was asked for."""

    def before(self, background: Float[Tensor, "rays 3"], known: Bool[Tensor, "rays"]) -> "Rendering":
        """The same before another background, colours in [0, 1].

        Where it is not known, the colour of what is before it is learned from, but not how opaque that is.
        """
        given = self.accumulation.detach()
        share = torch.where(known[:, None], 1.0, given / self.accumulation.clamp(min=1e-6))
        opacity = torch.where(known[:, None], self.accumulation, given)
        own = self.rgb - self.background * (1.0 - self.accumulation)
        coarse = tuple(each.before(background, known) for each in self.coarse)
        return replace(self, rgb=own * share + background * (1.0 - opacity), background=background, coarse=coarse)


def render(
    field: DynamicField,
    sampler: Sampler,
    rays: Rays,
    background: Float[Tensor, "rays 3"] | float,
    gradient_share: float | None = None,
    levels: ShownLevels | None = None,
    coarse_field: DynamicField | None = None,
) -> Rendering:
    """Sample rays, and again where the sampler refines.

    Args:
        field: what is seen
        sampler: where
        rays: from where
        background: colour or grey in [0, 1] behind it
        gradient_share: of the samples of a ray, for which the gradient in space is taken; None for none
        levels: signed distances at the only time of a picture's rays, to find the surface without asking the field
        coarse_field: what passes before the last see, if it is not the field
    """
    cameras = rays.origins.detach(), rays.directions.detach(), rays.times.detach()  # where to look is not learned
    if levels is not None:
        return _render_levels(field, sampler, rays, background, levels)
    samples = sampler(*cameras, keep_all=rays.segments is not None)
    if sampler.num_surface_samples > 0 and sampler.num_refinements == 0:
        weights = _weights_between(field, samples, _raw(field, rays, samples))
        samples = sampler.at_surface(samples, weights, sampler.num_surface_samples)
    coarse: list[Rendering] = []
    seen, share = (field, None) if coarse_field is None else (coarse_field, gradient_share)
    for _ in range(sampler.num_refinements):
        coarse.append(_render_samples(seen, rays, samples, background, share))
        samples = sampler.refine(samples, coarse[-1].weights.detach())
    return replace(_render_samples(field, rays, samples, background, gradient_share), coarse=tuple(coarse))


def _positions(rays: Rays, samples: SampledRays) -> Float[Tensor, "hits samples 3"]:
    return rays.origins[samples.rays, None] + rays.directions[samples.rays, None] * samples.distances[..., None]


@torch.no_grad()
def _raw(field: DynamicField, rays: Rays, samples: SampledRays) -> Float[Tensor, "hits samples"]:
    """The field's numbers at samples."""
    positions = _positions(rays, samples)
    segments = rays.segments or TimeSegments.from_times(rays.times[samples.rays])
    points = TimedPoints(positions.flatten(end_dim=1), segments.repeat(positions.shape[1]))
    with torch.autocast(positions.device.type, enabled=False):
        return field.raw_and_feature(points)[0].view(positions.shape[:2]).float()


def _render_levels(
    field: DynamicField,
    sampler: Sampler,
    rays: Rays,
    background: Float[Tensor, "rays 3"] | float,
    levels: ShownLevels,
) -> Rendering:
    """A picture, its samples drawn where levels show the surface, of the rays that come near it.

    What the field says at the samples puts the levels right that are between them. These tell what every piece of a ray
    weighs, which the samples before and behind it share.
    """
    pieces = sampler.strata(_shown_stretches(sampler, rays, levels), PIECES)
    near = levels.at(_positions(rays, pieces))
    weights = _weights_between(field, pieces, near)
    shown = ((near < levels.cell).any(dim=1) | (weights.sum(dim=1) > NEGLIGIBLE_WEIGHT)).nonzero()[:, 0]
    pieces, near = pieces.rows(shown), near[shown]
    samples = sampler.at_surface(pieces, weights[shown], sampler.num_picture_samples)
    positions = _positions(rays, samples)
    segments = TimeSegments.from_times(rays.times[samples.rays])
    _, raw, feature = _geometry(field, positions, segments, None)
    colours = _colours(field, feature, rays.directions[samples.rays, None], positions)
    with torch.autocast(positions.device.type, enabled=False):
        wrong = raw.view(positions.shape[:2]).float() - levels.at(positions)
        before, behind, share = between_samples(samples.shares, pieces.shares)
        near = near + torch.lerp(wrong.gather(1, before), wrong.gather(1, behind), share)
        of_pieces = _weights_between(field, pieces, near)
        middles = 0.5 * (pieces.edges[:, 1:] + pieces.edges[:, :-1])
        before, behind, share = between_samples(samples.shares, middles)
        weights = torch.zeros_like(wrong).scatter_add(1, before, of_pieces * (1.0 - share))
        weights = weights.scatter_add(1, behind, of_pieces * share)
    return _composited(rays, samples, positions, segments, raw, colours, weights, background)


def _shown_stretches(sampler: Sampler, rays: Rays, levels: ShownLevels) -> Stretches:
    """What of a picture's rays lies where levels show something, and the sampler calls occupied."""
    near, far = intersect_box(rays.origins, rays.directions, levels.shown_box)
    hits = (near < far).nonzero()[:, 0]
    side = float((levels.shown_box[1] - levels.shown_box[0]).max())
    num_bins = BINS_PER_CELL * max(1, math.ceil(side / levels.cell))
    bins = stratum_positions(1, num_bins, False, near.device)
    distances = near[hits, None] + (far - near)[hits, None] * bins
    shown = levels.shown_along(rays.origins[hits], rays.directions[hits], distances)
    of_rays = hits[shown.nonzero()[:, 0]]
    points = rays.origins[of_rays] + rays.directions[of_rays] * distances[shown][:, None]
    shown = shown.masked_scatter(shown, sampler.occupied(points[None], rays.times[:1])[0])
    crossing = shown.any(dim=1)
    hits = hits[crossing]
    return Stretches(hits, near[hits], far[hits], shown[crossing])


@torch.no_grad()
def _weights_between(
    field: DynamicField, samples: SampledRays, raw: Float[Tensor, "hits samples"]
) -> Float[Tensor, "hits pieces"]:
    """Probability that rays end between samples, as if the field's number went evenly from one to the next."""
    with torch.autocast(raw.device.type, enabled=False):
        start, end = torch.cat((raw[:, :1], raw), dim=1), torch.cat((raw, raw[:, -1:]), dim=1)
        lengths = samples.edges.diff(dim=1) * samples.stretches.length[:, None]
        depth = field.density.depth(start, end, lengths)
        return torch.exp(depth - depth.cumsum(dim=1)) * -torch.expm1(-depth)


def _render_samples(
    field: DynamicField,
    rays: Rays,
    samples: SampledRays,
    background: Float[Tensor, "rays 3"] | float,
    gradient_share: float | None,
) -> Rendering:
    directions = rays.directions[samples.rays, None]
    positions = _positions(rays, samples)
    segments = rays.segments or TimeSegments.from_times(rays.times[samples.rays])
    if field.training or rays.segments is not None:
        gradient, raw, feature = _geometry(field, positions, segments, gradient_share)
        colours = _colours(field, feature, directions, positions)
    else:
        gradient, (raw, colours) = None, _until_opaque(field, positions, directions, rays.times[samples.rays], samples)
    with torch.autocast(positions.device.type, enabled=False):
        weights = compositing_weights(field.density(raw.view(positions.shape[:2])), samples.deltas)
    rendering = _composited(rays, samples, positions, segments, raw, colours, weights, background)
    in_scene = None if rays.segments is None else samples.stretches.length > 0.0
    return replace(rendering, gradient=gradient, in_scene=in_scene)


def _composited(
    rays: Rays,
    samples: SampledRays,
    positions: Float[Tensor, "hits samples 3"],
    segments: TimeSegments,
    raw: Float[Tensor, "points"],
    colours: Float[Tensor, "hits samples 3"],
    weights: Float[Tensor, "hits samples"],
    background: Float[Tensor, "rays 3"] | float,
) -> Rendering:
    num_rays = len(rays.times)
    with torch.autocast(positions.device.type, enabled=False):
        accumulation = _scatter(weights.sum(dim=-1, keepdim=True), samples.rays, num_rays)
        return Rendering(
            rgb=_scatter(composite(weights, colours), samples.rays, num_rays) + background * (1.0 - accumulation),
            accumulation=accumulation,
            distance=_scatter(composite(weights, samples.distances[..., None]), samples.rays, num_rays),
            rays=samples.rays,
            positions=positions,
            segments=segments,
            weights=weights,
            background=background,
            raw=raw,
        )


def _colours(
    field: DynamicField,
    feature: Float[Tensor, "points feature"],
    directions: Float[Tensor, "hits 1 3"],
    positions: Float[Tensor, "hits samples 3"],
) -> Float[Tensor, "hits samples 3"]:
    towards = directions.expand_as(positions).flatten(end_dim=1)
    return field.colour(feature, towards).view(positions.shape).to(positions)


def _geometry(
    field: DynamicField, positions: Float[Tensor, "hits samples 3"], segments: TimeSegments, share: float | None
) -> tuple[Float[Tensor, "some 3"] | None, Float[Tensor, "points"], Float[Tensor, "points feature"]]:
    """Gradients at a share of the samples, numbers and features at all."""
    num_samples = positions.shape[1]
    points = TimedPoints(positions.flatten(end_dim=1), segments.repeat(num_samples))
    if share is None:
        return None, *field.raw_and_feature(points)
    if (count := max(1, int(num_samples * share))) == num_samples:
        raw, gradient, feature = field.raw_gradient_and_feature(points)
        return gradient, raw, feature
    order = torch.randperm(num_samples, device=positions.device)
    parts = (order[:count], order[count:])
    some, others = (TimedPoints(positions[:, part].flatten(end_dim=1), segments.repeat(len(part))) for part in parts)
    raw, gradient, feature = field.raw_gradient_and_feature(some)
    other_raw, other_feature = field.raw_and_feature(others)
    rows, back = (len(positions), -1), order.argsort()
    raw = torch.cat((raw.view(rows), other_raw.view(rows)), dim=1)[:, back].flatten()
    feature = torch.cat((feature.unflatten(0, rows), other_feature.unflatten(0, rows)), dim=1)[:, back].flatten(0, 1)
    return gradient, raw, feature


def _until_opaque(
    field: DynamicField,
    positions: Float[Tensor, "hits samples 3"],
    directions: Float[Tensor, "hits 1 3"],
    times: Float[Tensor, "hits"],
    samples: SampledRays,
) -> tuple[Float[Tensor, "points"], Float[Tensor, "hits samples 3"]]:
    """Numbers and colours of what shows: front to back, until what is behind has no more weight than a negligible one.

    The rest is left empty.
    """
    nothing = field.density.from_level(torch.tensor(torch.inf, device=positions.device))
    raw, colours = torch.full_like(positions[..., 0], nothing.item()), torch.zeros_like(positions)
    optical_depth = torch.zeros_like(samples.stretches.near)
    rows = torch.arange(len(positions), device=positions.device)
    for part in torch.arange(positions.shape[1], device=positions.device).split(SAMPLES_AT_ONCE):
        segments = TimeSegments.from_times(times[rows]).repeat(len(part))
        at = rows[:, None], part
        found, feature = field.raw_and_feature(TimedPoints(positions[at].flatten(end_dim=1), segments))
        raw[at] = found.view(-1, len(part)).to(raw)
        colours[at] = _colours(field, feature, directions[rows], positions[at])
        optical_depth[rows] += (field.density(raw[at]) * samples.deltas[at]).sum(dim=1)
        rows = rows[torch.exp(-optical_depth[rows]) > NEGLIGIBLE_WEIGHT]
    return raw.flatten(), colours


def raw_anywhere(field: DynamicField, rendering: Rendering, box: Float[Tensor, "2 3"]) -> Float[Tensor, "anywhere"]:
    """The field's number at random points of a box, half as many as samples, at the rays' times."""
    num_rays, num_samples, _ = rendering.positions.shape
    count = max(1, num_samples // 2)
    positions = box[0] + (box[1] - box[0]) * random_rows(num_rays * count, 3, box.device)
    return field.raw_and_feature(TimedPoints(positions, rendering.segments.repeat(count)))[0]


def rendered_normals(field: DynamicField, rendering: Rendering) -> Float[Tensor, "rays 3"]:
    """Unit normals of the samples that show in a picture, composited."""
    visible = rendering.weights > NEGLIGIBLE_WEIGHT
    times = rendering.segments.expand(rendering.segments.times)[:, None].expand_as(visible)
    points = TimedPoints.from_times(rendering.positions[visible], times[visible])
    normals = torch.zeros_like(rendering.positions)
    normals[visible] = field.normals(points)
    return _scatter(composite(rendering.weights, normals), rendering.rays, len(rendering.rgb))


def _scatter(
    values: Float[Tensor, "hits channels"], rays: Int[Tensor, "hits"], num_rays: int
) -> Float[Tensor, "rays channels"]:
    """Rows of the rays that were sampled among zeros for the others."""
    return values.new_zeros(num_rays, values.shape[1]).index_copy(0, rays, values)
