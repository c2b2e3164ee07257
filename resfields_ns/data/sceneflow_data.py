"""Vertices of a moving mesh, as scene flow is trained on them (paper, 4.4)."""

from dataclasses import dataclass, field
from functools import cached_property

import torch
from jaxtyping import Float, Int
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from torch import Tensor

from resfields_ns.captures.meshes.mesh_frames import read_tracked_vertices
from resfields_ns.captures.sequence import Surfaces, TrackedSurfaces
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.data.sdf_data import MeshDataset
from resfields_ns.functional.motion import flow_between_frames
from resfields_ns.host.dataparsing import sequence_of, with_sequence
from resfields_ns.options import option


def split_vertices(
    num_vertices: int, train_share: float, seed: int
) -> tuple[Int[Tensor, "train"], Int[Tensor, "held_out"]]:
    """Indices of a random `train_share` of the vertices, and of the others, each in order.

    Raises ValueError if one of the two would be empty.
    """
    num_train = round(train_share * num_vertices)
    if not 0 < num_train < num_vertices:
        raise ValueError(
            "datamanager.train-share: expected a share that leaves vertices to train and to evaluate on, found "
            f"{train_share} of {num_vertices}"
        )
    order = torch.randperm(num_vertices, generator=torch.Generator().manual_seed(seed))
    return order[:num_train].sort().values, order[num_train:].sort().values


@dataclass
class SceneFlowDataManagerConfig(CoordinateDataManagerConfig):
    """Random vertices of every frame."""

    _target: type = field(default_factory=lambda: SceneFlowDataManager)
    train_share: float = option(0.8, above=0, below=1)
    """Share of the vertices that are trained on; the others are evaluated."""
    split_seed: int = option(0, least=0)
    """Seed that decides which vertices those are."""


class SceneFlowDataManager(CoordinateDataManager):
    """Vertices that are seen in training, and held-out ones in evaluation."""

    config: SceneFlowDataManagerConfig
    train_batches: "VertexBatches"
    eval_batches: "VertexBatches"

    @cached_property
    def dataset_type(self) -> type[MeshDataset]:
        """Meshes, and pictures of them."""
        return MeshDataset

    def prepared(self, outputs: DataparserOutputs) -> DataparserOutputs:
        """The surfaces with their vertices tracked; ValueError if frames do not share one topology, or there is one."""
        surfaces = sequence_of(outputs, Surfaces)
        name, meshes = str(outputs.image_filenames[0].parent), surfaces.meshes
        if len(meshes) < 2:
            raise ValueError(f"{name}: expected 2 or more frames for scene flow, found {len(meshes)}")
        if meshes.lengths is not None:
            raise ValueError(f"{name}: expected one sequence for scene flow, found a folder of {len(meshes.lengths)}")
        tracked = read_tracked_vertices(meshes.source, meshes.frames, name)
        positions = meshes.normalisation.scale * tracked.positions + meshes.normalisation.offset
        known = surfaces.known_as(
            TrackedSurfaces, positions=torch.from_numpy(positions).float(), faces=torch.from_numpy(tracked.faces)
        )
        return with_sequence(outputs, known)

    def make_batches(self, dataset: InputDataset) -> "VertexBatches":
        """Batches of the vertices to train on; of the evaluation dataset, of the others."""
        positions = sequence_of(dataset, TrackedSurfaces).positions
        seen, held_out = split_vertices(positions.shape[1], self.config.train_share, self.config.split_seed)
        return VertexBatches(positions[:, held_out if dataset is self.eval_dataset else seen])


class VertexBatches(CoordinateBatches):
    """Vertices of moving meshes, and where they go.

    Args:
        positions: of the vertices at every frame
    """

    def __init__(self, positions: Float[Tensor, "frames vertices 3"]) -> None:
        super().__init__(torch.arange(len(positions)))
        self.positions = positions
        self.flow = flow_between_frames(positions)

    def draw(self, frames: Int[Tensor, "frames"], samples: int) -> tuple[Float[Tensor, "points 3"], dict[str, Tensor]]:
        """Draw different vertices of each of `frames`: `samples` of them, or all where there are fewer."""
        return self.take(frames, torch.rand(len(frames), self.positions.shape[1]).argsort(dim=1)[:, :samples])

    def take(
        self, frames: Int[Tensor, "frames"], vertices: Int[Tensor, "frames samples"]
    ) -> tuple[Float[Tensor, "points 3"], dict[str, Tensor]]:
        """Vertices of each of `frames`.

        The batch has their `forward` and `backward` flow [N, 3], and `has_forward` and `has_backward` [N]: the last
        frame lacks the one, the first the other.
        """
        rows = frames[:, None].expand_as(vertices)
        batch = {
            "forward": self.flow.forward[rows, vertices],
            "backward": self.flow.backward[rows, vertices],
            "has_forward": rows < len(self.frames) - 1,
            "has_backward": rows > 0,
        }
        return self.positions[rows, vertices].flatten(end_dim=1), {
            name: values.flatten(end_dim=1) for name, values in batch.items()
        }
