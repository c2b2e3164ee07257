"""Samples of a sequence of surfaces, computed once and held in memory."""

from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int
from nerfstudio.utils.rich_utils import CONSOLE
from rich.progress import track
from torch import Tensor

from resfields_ns.data.coordinate_datamanager import CoordinateBatches
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame
from resfields_ns.mesh_sequences.mesh_sequence import MeshSequence
from resfields_ns.supervisions.supervision import Supervision


class SamplePool(CoordinateBatches):
    """As many samples of every frame, drawn from again and again; one seed, the same samples.

    Args:
        sequence: in [-1, 1]^3
        supervision: says what is sampled
        samples_per_frame: bounds the memory; a signed distance takes 16 bytes
        seed: of the samples alone, whatever else is random
    """

    def __init__(self, sequence: MeshSequence, supervision: Supervision, samples_per_frame: int, seed: int) -> None:
        super().__init__(torch.arange(len(sequence)))
        self.sequence = sequence
        self.supervision = supervision
        self.samples_per_frame = samples_per_frame
        self.seed = seed

    @cached_property
    def arrays(self) -> dict[str, Tensor]:
        """Every array of the samples by name, each [frames, samples, ...], computed when first asked for.

        One frame comes after the other: the library that finds distances uses all cores for each.
        """
        arrays: dict[str, Tensor] = {}
        open_frames = []
        for index in track(range(len(self.sequence)), "Sampling the surfaces", console=CONSOLE):
            frame = self.sequence.frame(index)
            rng = np.random.default_rng([self.seed, index])
            known = self.supervision.draw(frame.vertices, frame.faces, self.samples_per_frame, rng)
            for name, values in known.items():
                samples = torch.from_numpy(values)
                arrays.setdefault(name, samples.new_empty((len(self.sequence), *samples.shape)))[index] = samples
            if self.supervision.needs_inside and not _is_closed(frame):
                open_frames.append(index)
        if open_frames:
            CONSOLE.print(
                f"The surface is open at {len(open_frames)} of {len(self.sequence)} frames, first at frame "
                f"{open_frames[0]}: its inside is where the winding number is above one half. Where that is not what "
                "is meant, train on oriented points."
            )
        return arrays

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 3"], dict[str, Tensor]]:
        """Draw one sample of each of equal parts of a frame's, so that kinds keep the shares in which they are held."""
        parts = torch.arange(samples) + torch.rand(len(frames), samples)
        places = (parts * (self.samples_per_frame / samples)).long().clamp(max=self.samples_per_frame - 1)
        rows = (frames[:, None] * self.samples_per_frame + places).flatten()
        drawn = {name: values.flatten(end_dim=1)[rows] for name, values in self.arrays.items()}
        return drawn.pop("points"), drawn


def _is_closed(frame: MeshFrame) -> bool:
    """Whether every edge has two triangles, once vertices at one place are one."""
    import trimesh

    return trimesh.Trimesh(frame.vertices, frame.faces, process=True).is_watertight
