"""Pictures of mesh sequences, for a viewer and for comparing by eye."""

import numpy as np
import numpy.typing as npt
import torch
from nerfstudio.data.datasets.base_dataset import InputDataset

from resfields_ns.functional.shading import shade
from resfields_ns.mesh_sequences.mesh_frame import MeshFrame
from resfields_ns.timeline import frames_from_times

WHITE = 255


class SurfaceDataset(InputDataset):
    """One picture a camera, made when it is asked for: the mesh at the camera's time, shaded, before white."""

    def get_numpy_image(self, image_idx: int) -> npt.NDArray[np.uint8]:
        """Return the picture [H, W, 3], values 0 to 255."""
        import trimesh

        from resfields_ns.data.ray_casting import cast_rays

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
        times = self.cameras.times
        assert times is not None
        return self.metadata["sequence"].frame(int(frames_from_times(times[image_idx], self.metadata["num_frames"])))
