"""Coarse-to-fine sampling (NeRF, Mildenhall et al. 2020, 5.2)."""

from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.functional.rays import invert_piecewise, sample_edges, stratum_positions
from resfields_ns.models.samplers import SampledRays, SamplerConfig, UniformSampler

WEIGHT_FLOOR = 1e-3  # added to every sample's weight, so that no part of a ray is lost for good


class HierarchicalSampler(UniformSampler):
    """Uniform samples, refined once by the weights that they were rendered with."""

    num_refinements: ClassVar[int] = 1

    def __init__(self, config: SamplerConfig, box: Float[Tensor, "2 3"], num_frames: int) -> None:
        super().__init__(config, box, num_frames)
        self.num_fine_samples = config.num_fine_samples

    def refine(self, samples: SampledRays, weights: Float[Tensor, "hits samples"]) -> SampledRays:
        """Join the samples by others drawn in proportion to their weights."""
        edges = sample_edges(samples.distances, samples.near, samples.far)
        positions = stratum_positions(len(weights), self.num_fine_samples, self.training, weights.device)
        added = invert_piecewise(edges, weights + WEIGHT_FLOOR, positions)
        distances = torch.cat((samples.distances, added), dim=1).sort(dim=1).values
        deltas = sample_edges(distances, samples.near, samples.far).diff(dim=1)
        return SampledRays(samples.rays, samples.near, samples.far, distances, deltas)
