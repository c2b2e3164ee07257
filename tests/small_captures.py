"""Tiny captures in other layouts: three bright points, one for each colour channel, that move along lines.

Every writer projects the points by its layout's own convention, spelt out, and returns nothing but files.
"""

import json
from pathlib import Path

import av
import numpy as np
from PIL import Image

START = np.array([[0.3, 0.1, -0.2], [-0.4, 0.2, 0.1], [0.1, -0.3, 0.3]])
VELOCITY = np.array([[-0.3, 0.1, 0.2], [0.2, -0.3, 0.1], [0.2, 0.3, -0.2]])
SIZE = (48, 40)
"""Width and height of the images."""
NUM_FRAMES = 4
NERFIES_TIMES = (3, 5, 7, 11)
"""Warp ids of the training images."""
_DOT_RADIUS = 2.2
_DISTANCE = 3.0


def points_at(time: float) -> np.ndarray:
    """The points [3, 3] at a time in [0, 1]."""
    return START + time * VELOCITY


def write_dnerf_capture(folder: Path, alpha: bool = True, intrinsics: dict[str, float] | None = None) -> None:
    """Write D-NeRF's layout: one camera angle, OpenGL poses, alpha around the points; validation in between.

    `intrinsics` (fl_x, fl_y, cx, cy, k1, k2, k3, p1, p2) are written beside the angle, and those of the pictures.
    """
    angle = 0.7
    focal = 0.5 * SIZE[0] / np.tan(0.5 * angle)
    optics = dict.fromkeys(("k1", "k2", "k3", "p1", "p2"), 0.0) | {"fl_x": focal, "fl_y": focal}
    optics |= {"cx": SIZE[0] / 2, "cy": SIZE[1] / 2, **(intrinsics or {})}
    all_times = {
        "train": np.arange(NUM_FRAMES) / (NUM_FRAMES - 1),
        "val": np.array([0.0, 0.5]),
        "test": np.array([1.0, 0.4, 2 / 3]),
    }
    for split, times in all_times.items():
        (folder / split).mkdir(parents=True)
        frames = []
        for index, time in enumerate(times):
            right, down, forward, position = _look_from(60.0 * index + 10.0 * len(split))
            pose = np.eye(4)
            pose[:3] = np.column_stack([right, -down, -forward, position])
            local = (points_at(time) - position) @ pose[:3, :3]
            picture = _picture(_distorted_pixels(local[:, :2] * [1, -1] / -local[:, 2:], optics))
            if alpha:
                picture = np.dstack([picture, np.where(picture.max(axis=2) > 20, 255, 0).astype(np.uint8)])
            Image.fromarray(picture).save(folder / split / f"r_{index:03d}.png")
            frames.append({"file_path": f"./{split}/r_{index:03d}", "time": time, "transform_matrix": pose.tolist()})
        content = {"camera_angle_x": angle, **(intrinsics or {}), "frames": frames}
        (folder / f"transforms_{split}.json").write_text(json.dumps(content))


def _distorted_pixels(plane: np.ndarray, optics: dict[str, float]) -> np.ndarray:
    x, y = plane.T
    k1, k2, k3, p1, p2 = (optics[key] for key in ("k1", "k2", "k3", "p1", "p2"))
    r = x * x + y * y
    radial = 1 + k1 * r + k2 * r**2 + k3 * r**3
    u = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x)
    v = y * radial + 2 * p2 * x * y + p1 * (r + 2 * y * y)
    return np.column_stack([optics["fl_x"] * u + optics["cx"], optics["fl_y"] * v + optics["cy"]])


def write_n3v_capture(folder: Path, num_frames: dict[str, int] | None = None) -> None:
    """Write Neural 3D Video's layout: four videos, and poses for pictures twice as large."""
    folder.mkdir(parents=True)
    focal = 60.0
    rows = []
    names = ["cam00", "cam01", "cam04", "cam10"]
    for index, name in enumerate(names):
        right, down, forward, position = _look_from(25.0 * index)
        pictures = []
        for frame in range((num_frames or {}).get(name, NUM_FRAMES)):
            offset = points_at(frame / (NUM_FRAMES - 1)) - position
            pixels = np.column_stack([offset @ right, offset @ down]) / (offset @ forward)[:, None] * focal
            pictures.append(_picture(pixels + np.array(SIZE) / 2))
        write_video(folder / f"{name}.mp4", pictures)
        image = [2.0 * SIZE[1], 2.0 * SIZE[0], 2.0 * focal]
        matrix = np.column_stack([down, right, -forward, position, image])
        rows.append([*matrix.flatten(), 2.0, 4.5])
    np.save(folder / "poses_bounds.npy", np.array(rows))


def write_nerfies_capture(folder: Path) -> None:
    """Write Nerfies' layout: two cameras with distortion, images at 1x and 2x, times with gaps."""
    for name in ("camera", "rgb/1x", "rgb/2x"):
        (folder / name).mkdir(parents=True)
    metadata, ids = {}, {"train_ids": [], "val_ids": []}
    shots = [("train_ids", time, index % 2) for index, time in enumerate(NERFIES_TIMES)]
    shots += [("val_ids", time, 1 - index % 2) for index, time in enumerate(NERFIES_TIMES)] + [("val_ids", 9, 0)]
    for key, time, camera in shots:
        item = f"{time:06d}_{'left' if camera == 0 else 'right'}"
        ids[key].append(item)
        metadata[item] = {"warp_id": time, "appearance_id": time, "camera_id": camera}
        content = _nerfies_camera(40.0 * camera + 5.0 * time)
        (folder / "camera" / f"{item}.json").write_text(json.dumps(content))
        pixels = _nerfies_pixels(content, points_at(nerfies_time(time)))
        for factor in (1, 2):
            size = (2 * SIZE[0] // factor, 2 * SIZE[1] // factor)
            Image.fromarray(_picture(pixels / factor, size)).save(folder / "rgb" / f"{factor}x" / f"{item}.png")
    scene = {"scale": 0.2, "center": [9.0, 8.0, 7.0], "near": 0.2 * 2.0, "far": 0.2 * 4.5}
    dataset = {"count": len(shots), "num_exemplars": len(NERFIES_TIMES), "ids": [*metadata], **ids}
    for name, content in [("metadata", metadata), ("dataset", dataset), ("scene", scene)]:
        (folder / f"{name}.json").write_text(json.dumps(content))


def nerfies_time(warp_id: int) -> float:
    """Time in [0, 1] of a warp id, as frames run: one step from each training id to the next."""
    return float(np.interp(warp_id, NERFIES_TIMES, np.arange(NUM_FRAMES))) / (NUM_FRAMES - 1)


def write_video(path: Path, pictures: list[np.ndarray], rate: int = 30) -> None:
    """Write pictures as an H.264 video."""
    height, width = pictures[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "1", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = (
            width,
            height,
            "yuv444p",
        )  # colours at full size, so that dots stay in place
        for picture in pictures:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def _picture(pixels: np.ndarray, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Red, green and blue dots at three places (x, y); pixel centres are at +0.5."""
    x, y = np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5)
    radius = _DOT_RADIUS * size[0] / SIZE[0]
    dots = [np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / radius**2) for u, v in pixels]
    return np.round(255.0 * np.stack(dots, axis=-1)).astype(np.uint8)


def _look_from(azimuth: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Right, down and forward axes, and position, of a camera that looks at the origin; the angle is in degrees."""
    angle = np.radians(azimuth)
    position = _DISTANCE * np.array([np.sin(angle) * 0.9, np.cos(angle) * 0.9, np.sqrt(1 - 0.81)])
    forward = -position / _DISTANCE
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    return right, np.cross(forward, right), forward, position


def _nerfies_camera(azimuth: float) -> dict:
    right, down, forward, position = _look_from(azimuth)
    return {
        "orientation": [right.tolist(), down.tolist(), forward.tolist()],
        "position": position.tolist(),
        "focal_length": 120.0,
        "principal_point": [SIZE[0] + 2.0, SIZE[1] - 3.0],
        "skew": 0.0,
        "pixel_aspect_ratio": 1.05,
        "radial_distortion": [0.15, -0.1, 0.02],
        "tangential_distortion": [0.01, -0.02],
        "image_size": [2 * SIZE[0], 2 * SIZE[1]],
    }


def _nerfies_pixels(camera: dict, points: np.ndarray) -> np.ndarray:
    local = (points - camera["position"]) @ np.array(camera["orientation"]).T
    (k1, k2, k3), (p1, p2) = camera["radial_distortion"], camera["tangential_distortion"]
    focal, (cx, cy) = camera["focal_length"], camera["principal_point"]
    optics = {"fl_x": focal, "fl_y": focal * camera["pixel_aspect_ratio"], "cx": cx, "cy": cy}
    return _distorted_pixels(local[:, :2] / local[:, 2:], {**optics, "k1": k1, "k2": k2, "k3": k3, "p1": p1, "p2": p2})
