"""Samples around a sequence of surfaces, for a field to be trained on."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import torch
from nerfstudio.data.datasets.base_dataset import InputDataset

from resfields_ns.data.coordinate_datamanager import CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.supervisions.occupancy import Occupancy
from resfields_ns.supervisions.oriented_points import OrientedPoints
from resfields_ns.supervisions.signed_distances import SignedDistances
from resfields_ns.supervisions.supervision import Supervision
from resfields_ns.surfaces.sample_pool import SamplePool
from resfields_ns.surfaces.surface_dataset import SurfaceDataset

SUPERVISIONS: dict[str, type[Supervision]] = {
    "signed-distances": SignedDistances,
    "oriented-points": OrientedPoints,
    "occupancy": Occupancy,
}


@dataclass
class SurfaceDataManagerConfig(CoordinateDataManagerConfig):
    """Samples around surfaces."""

    _target: type = field(default_factory=lambda: SurfaceDataManager)
    supervision: Literal["signed-distances", "oriented-points", "occupancy"] = "signed-distances"
    """What is known at the samples: how far the surface is (paper), which way it looks, or which side they are on."""
    pool_samples: int = 10_000_000
    """Samples of all frames together, computed before training; a signed distance takes 16 bytes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pool_samples < 1:
            raise ValueError(f"datamanager.pool-samples: expected at least 1, got {self.pool_samples}")


class SurfaceDataManager(CoordinateDataManager):
    """Batches of samples of a mesh sequence; training and evaluation share one pool of them.

    The metadata of the datasets tells the model its `supervision`.
    """

    config: SurfaceDataManagerConfig

    @cached_property
    def dataset_type(self) -> type[SurfaceDataset]:
        """Meshes, and pictures of them."""
        return SurfaceDataset

    def create_train_dataset(self) -> InputDataset:
        """The sequence, and how a field is supervised by it."""
        dataset = super().create_train_dataset()
        dataset.metadata["supervision"] = SUPERVISIONS[self.config.supervision]()
        return dataset

    @cached_property
    def pool(self) -> SamplePool:
        """The samples."""
        metadata = self.train_dataset.metadata
        samples_per_frame = max(1, self.config.pool_samples // metadata["num_frames"])
        seed = torch.initial_seed() % 2**63
        return SamplePool(metadata["sequence"], metadata["supervision"], samples_per_frame, seed)

    def setup_train(self) -> None:
        """Compute the samples if they are to be trained on."""
        super().setup_train()
        if self.test_mode == "val":
            _ = self.pool.arrays

    def make_batches(self, dataset: InputDataset) -> SamplePool:
        """The pool, of whichever dataset."""
        del dataset
        return self.pool
