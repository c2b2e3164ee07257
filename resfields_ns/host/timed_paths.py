"""The host's path between the cameras of a dataset, `ns-render interpolate`, with the time that the host leaves out."""

import sys

from nerfstudio.cameras import camera_paths
from nerfstudio.cameras.camera_utils import get_interpolated_poses_many
from nerfstudio.cameras.cameras import Cameras

_NAME = "get_interpolated_camera_path"
_without_times = camera_paths.get_interpolated_camera_path


def interpolated_camera_path(cameras: Cameras, steps: int, order_poses: bool) -> Cameras:
    """The host's path; where cameras have times, those of the path lie between them as its poses do.

    Args:
        cameras: to pass by
        steps: pictures from one camera to the next
        order_poses: go to the nearest camera next
    """
    path = _without_times(cameras, steps, order_poses)
    if cameras.times is not None:
        # the host orders and interpolates intrinsics along with poses; this entry of theirs is always 0
        with_times = cameras.get_intrinsics_matrices()
        with_times[:, 2, 0] = cameras.times[:, 0]
        _, with_times = get_interpolated_poses_many(cameras.camera_to_worlds, with_times, steps, order_poses)
        path.times = with_times[:, 2, :1]
    return path


def let_paths_take_time() -> None:
    """Let the host make its paths like this, in its render command as well where that is loaded already."""
    for name in (camera_paths.__name__, "nerfstudio.scripts.render", "__main__"):
        module = sys.modules.get(name)
        if getattr(module, _NAME, None) is _without_times:
            setattr(module, _NAME, interpolated_camera_path)
