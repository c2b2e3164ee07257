"""The dynamic SDF field by the letter of the paper: the baseline of our timings.

Weights of all frames are built (Eq. 3, 4), one matrix per ray is gathered from them, and the gradient of the signed
distance comes from autograd with a second-order graph. Parameters are those of `DynamicField`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from resfields_ns import timeline
from resfields_ns.fields.dynamic_field import DynamicField
from resfields_ns.functional.segments import TimedPoints, TimeSegments
from resfields_ns.layers import ResFieldLinear


class PaperFormulaField(DynamicField):
    """Same parameters, same values, evaluated the plain way."""

    samples_per_ray = 64

    def raw_gradient_and_feature(self, points: TimedPoints) -> tuple[Tensor, Tensor, Tensor]:
        """Signed distance, its gradient by double backward, and feature of points [rays * samples, 3]."""
        positions = points.positions.detach().requires_grad_()
        times = points.segments.expand(points.segments.times[:, None])[:, 0]
        output = self._evaluate(positions, times)
        (gradient,) = torch.autograd.grad(output[:, 0].sum(), positions, create_graph=True)
        return output[:, 0], gradient, output[:, 1:]

    def _evaluate(self, positions: Tensor, times: Tensor) -> Tensor:
        every = TimedPoints(positions, TimeSegments(times, (1,) * len(times))).conditioned(self.condition(times))
        inputs = torch.cat((self.encoding(positions), self.ambient(every)), dim=-1)
        ray_times = times[:: self.samples_per_ray]
        frames = timeline.frames_from_times(ray_times, self.num_frames)
        x = inputs
        for index, layer in enumerate(self.mlp.layers):
            if index in self.mlp.skip_layers:
                x = torch.cat((x, inputs), dim=-1) / math.sqrt(2.0)
            if isinstance(layer, ResFieldLinear):
                of_frames = layer.coefficients.table @ layer.basis.flatten(start_dim=1)
                weights = (of_frames + layer.weight.flatten()).view(-1, *layer.weight.shape)[frames]
                rays = x.view(len(frames), -1, x.shape[-1])
                x = (rays @ weights.mT + layer.bias).flatten(end_dim=1)
            else:
                x = F.linear(x, layer.weight, layer.bias)
            if index < len(self.mlp.layers) - 1:
                x = F.softplus(x, beta=100.0)
        return x
