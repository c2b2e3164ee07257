"""A capture as a dataparser gives it: all images of all cameras, whatever they are used for."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
import tyro
from jaxtyping import Float64

from resfields_ns.checks.layouts import dataparser_config
from resfields_ns.data.capture_dataset import CaptureDataset

_SPLITS = ("train", "test")


@dataclass(frozen=True)
class CapturedImage:
    """One image: where it is in its dataset, and which camera took it when.

    Args:
        dataset: the split's dataset
        index: of the image in the dataset
        split: "train" or "test"
        camera: the camera's name
        position: where its time lies among the capture's frames
    """

    dataset: CaptureDataset
    index: int
    split: str
    camera: str
    position: float

    @property
    def frame(self) -> int:
        """The nearest of the capture's frames."""
        return round(self.position)

    @property
    def path(self) -> Path:
        """The image's file."""
        return self.dataset.image_filenames[self.index]

    @property
    def mask_path(self) -> Path | None:
        """The mask's file, if the capture has masks."""
        files = self.dataset.metadata["mask_filenames"]
        return None if files is None else files[self.index]

    @property
    def depth_path(self) -> Path | None:
        """The depth image's file, if the capture has depth."""
        files = self.dataset.metadata["depth_filenames"]
        return None if files is None else files[self.index]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height that the image has while training."""
        cameras = self.dataset.cameras
        return int(cameras.width[self.index]), int(cameras.height[self.index])


@dataclass(frozen=True)
class Capture:
    """What there is to check.

    Args:
        folder: of the capture
        dataparser: name of the dataparser that read it
        images: of the training cameras, then of the test cameras; ordered as the dataparser does, none twice
        cloud_filenames: the point cloud of each frame, where there are any
        frame_numbers: the number of each frame in the capture
        box: lower and upper corner of the scene box, in normalised units
        millimetres_per_unit: of the normalised space that cameras, box and clouds are in
    """

    folder: Path
    dataparser: str
    images: list[CapturedImage]
    cloud_filenames: list[Path] | None
    frame_numbers: list[int]
    box: Float64[np.ndarray, "2 3"]
    millimetres_per_unit: float

    @property
    def num_frames(self) -> int:
        """Number of frames."""
        return len(self.frame_numbers)

    @property
    def cameras(self) -> dict[str, list[CapturedImage]]:
        """The images of each camera, in the order of time."""
        by_camera: dict[str, list[CapturedImage]] = {}
        for image in sorted(self.images, key=lambda image: image.position):
            by_camera.setdefault(image.camera, []).append(image)
        return {name: by_camera[name] for name in dict.fromkeys(image.camera for image in self.images)}


def load_capture(folder: Path, dataparser: str, options: tuple[str, ...] = ()) -> Capture:
    """Parse a capture's training and test cameras; `options` are those of the dataparser, as on a command line.

    Raises ValueError for what the dataparser refuses.
    """
    default = replace(dataparser_config(dataparser), data=folder)
    config = tyro.cli(type(default), default=default, args=options, prog=f"rf-check {folder} --")
    datasets = {split: CaptureDataset(config.setup().get_dataparser_outputs(split)) for split in _SPLITS}
    images = {image.path: image for split in reversed(_SPLITS) for image in _images(split, datasets[split])}
    train = datasets["train"]
    return Capture(
        folder=folder,
        dataparser=dataparser,
        images=sorted(images.values(), key=lambda image: _SPLITS.index(image.split)),
        cloud_filenames=train.metadata["cloud_filenames"],
        frame_numbers=list(train.metadata["frame_numbers"]),
        box=train.scene_box.aabb.double().numpy(),
        millimetres_per_unit=1000.0 * float(torch.linalg.det(train.metadata["normalised_to_world"][:3, :3])) ** (1 / 3),
    )


def _images(split: str, dataset: CaptureDataset) -> list[CapturedImage]:
    names, times = dataset.metadata["camera_names"], dataset.cameras.times
    assert times is not None
    positions = times.flatten().double() * max(dataset.metadata["num_frames"] - 1, 1)
    return [
        CapturedImage(dataset, index, split, names[index], float(positions[index])) for index in range(len(dataset))
    ]
