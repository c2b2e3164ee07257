"""Pictures and batches of samples of a sequence of surfaces."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from nerfstudio.data.dataparsers.base_dataparser import DataparserOutputs
from nerfstudio.data.datasets.base_dataset import InputDataset
from nerfstudio.utils.rich_utils import CONSOLE
from rich.progress import track
from torch import Tensor

from resfields_ns.captures.meshes.mesh_frames import MeshFrame, MeshSequence
from resfields_ns.captures.sequence import Surfaces
from resfields_ns.data.coordinate_data import CoordinateBatches, CoordinateDataManager, CoordinateDataManagerConfig
from resfields_ns.data.supervisions import Occupancy, OrientedPoints, SignedDistances, Supervision
from resfields_ns.functional.surface_points import shade
from resfields_ns.host.dataparsing import sequence_of, with_sequence
from resfields_ns.options import option, when

WHITE = 255


class MeshDataset(InputDataset):
    """One picture a camera, made when it is asked for: the mesh at the camera's time, shaded, before white."""

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the picture [H, W, 3], values 0 to 255."""
        import trimesh

        from resfields_ns.captures.meshes.ray_casting import cast_rays

        frame = self.frame(image_idx)
        mesh = trimesh.Trimesh(frame.vertices, frame.faces, process=False)
        rays = self.cameras.generate_rays(camera_indices=image_idx)
        directions = rays.directions.flatten(end_dim=-2)
        hits = cast_rays(mesh, rays.origins[0, 0].double().numpy(), directions.double().numpy())
        colours = np.full(directions.shape, WHITE, np.uint8)
        normals = torch.from_numpy(mesh.face_normals[hits.triangles]).float()
        colours[hits.hit] = (shade(normals, directions[torch.from_numpy(hits.hit)]) * 255.0).round().byte().numpy()
        return colours.reshape(*rays.directions.shape)

    def frame(self, image_idx: int) -> MeshFrame:
        """The mesh that a picture shows, normalised."""
        surfaces = sequence_of(self, Surfaces)
        return surfaces.meshes.frame(surfaces.images[image_idx].frame)


@dataclass(frozen=True, eq=False)
class SupervisedSurfaces(Surfaces):
    """Surfaces, and what a field is told of them."""

    supervision: Supervision


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


SUPERVISIONS: dict[str, type[Supervision]] = {
    "signed-distances": SignedDistances,
    "oriented-points": OrientedPoints,
    "occupancy": Occupancy,
}


@dataclass
class SDFDataManagerConfig(CoordinateDataManagerConfig):
    """Samples around surfaces."""

    _target: type = field(default_factory=lambda: SDFDataManager)
    supervision: Literal["signed-distances", "oriented-points", "occupancy"] = "signed-distances"
    """What is known at the samples: how far the surface is (paper), which way it looks, or which side they are on."""
    pool_samples: int = option(10_000_000, least=1)
    """Samples of all frames together, computed before training; a signed distance takes 16 bytes."""
    far_weight: float = option(1.0, above=0, acts=when("supervision", "signed-distances"))
    """How often samples farther than 0.05 from the surface count in the loss (paper: once). More keeps a short training
    from leaving pieces of surface where there is none."""


class SDFDataManager(CoordinateDataManager):
    """Batches of samples of a mesh sequence; training and evaluation share one pool of them."""

    config: SDFDataManagerConfig

    @cached_property
    def dataset_type(self) -> type[MeshDataset]:
        """Meshes, and pictures of them."""
        return MeshDataset

    def prepared(self, outputs: DataparserOutputs) -> DataparserOutputs:
        """The surfaces, and how a field is supervised by them, which the model asks for too."""
        surfaces = sequence_of(outputs, Surfaces)
        kind = self.config.supervision
        supervision = SignedDistances(self.config.far_weight) if kind == "signed-distances" else SUPERVISIONS[kind]()
        return with_sequence(outputs, surfaces.known_as(SupervisedSurfaces, supervision=supervision))

    @cached_property
    def pool(self) -> SamplePool:
        """The samples."""
        surfaces = sequence_of(self.train_dataset, SupervisedSurfaces)
        samples_per_frame = max(1, self.config.pool_samples // surfaces.num_frames)
        seed = torch.initial_seed() % 2**63
        return SamplePool(surfaces.meshes, surfaces.supervision, samples_per_frame, seed)

    def setup_train(self) -> None:
        """Compute the samples if they are to be trained on."""
        super().setup_train()
        if self.test_mode == "val":
            _ = self.pool.arrays

    def make_batches(self, dataset: InputDataset) -> SamplePool:
        """The pool, of whichever dataset."""
        del dataset
        return self.pool
