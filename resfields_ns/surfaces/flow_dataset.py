"""Moving meshes of one topology, whose every vertex is tracked."""

from typing import Any

import torch

from resfields_ns.mesh_sequences.tracked_vertices import read_tracked_vertices
from resfields_ns.surfaces.surface_dataset import SurfaceDataset


class FlowDataset(SurfaceDataset):
    """Pictures of the meshes; the metadata gains `positions` [T, V, 3] of the vertices, normalised, and `faces` [F, 3].

    Raises ValueError if the frames do not share one topology, or there is only one of them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sequence, name = self.metadata["sequence"], str(self._dataparser_outputs.image_filenames[0].parent)
        if len(sequence) < 2:
            raise ValueError(f"{name}: expected 2 or more frames for scene flow, found {len(sequence)}")
        tracked = read_tracked_vertices(sequence.source, sequence.frames, name)
        normalisation = sequence.normalisation
        positions = normalisation.scale * tracked.positions + normalisation.offset
        self.metadata["positions"] = torch.from_numpy(positions).float()
        self.metadata["faces"] = torch.from_numpy(tracked.faces)
