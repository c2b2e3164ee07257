"""Videos of three dots that move along lines, through distorting lenses, and their calibration in every format."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from nerfstudio.data.utils import colmap_parsing_utils as colmap

from tests.small_captures import write_video

SIZE = (64, 48)
NUM_FRAMES = 5
NAMES = ("cam0", "cam1", "cam2")
BOX = (-0.8, -0.7, -0.6, 0.8, 0.9, 0.6)
_START = np.array([[0.35, 0.1, -0.2], [-0.4, 0.2, 0.1], [0.1, -0.3, 0.3]])
_VELOCITY = np.array([[-0.08, 0.02, 0.05], [0.05, -0.08, 0.02], [0.05, 0.08, -0.05]])  # each frame
BACKGROUND = 30
DISTORTION = np.array([-0.1, 0.02, 0.01, -0.015, 0.005, 0.3, 0.02, 0.004])


@dataclass(frozen=True)
class Camera:
    """Spelt out: pixel centres at +0.5, pose to OpenCV axes, k1 k2 p1 p2 k3 k4 k5 k6."""

    focal: tuple[float, float]
    principal: tuple[float, float]
    rotation: np.ndarray
    translation: np.ndarray
    distortion: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        local = points @ self.rotation.T + self.translation
        x, y = local[:, 0] / local[:, 2], local[:, 1] / local[:, 2]
        k1, k2, p1, p2, k3, k4, k5, k6 = self.distortion
        r = x * x + y * y
        radial = (1 + k1 * r + k2 * r**2 + k3 * r**3) / (1 + k4 * r + k5 * r**2 + k6 * r**3)
        u = x * radial + 2 * p1 * x * y + p2 * (r + 2 * x * x)
        v = y * radial + p1 * (r + 2 * y * y) + 2 * p2 * x * y
        return np.stack([u, v], axis=-1) * self.focal + self.principal


def points_at(moment: int) -> np.ndarray:
    return _START + moment * _VELOCITY


def make_cameras(distortion: np.ndarray, simple: bool = False) -> dict[str, Camera]:
    """Cameras on an arc; `simple` ones have what LLFF can hold."""
    cameras = {}
    for index, name in enumerate(NAMES):
        angle = 0.5 * index
        backward = np.array([np.sin(angle), 0.2, np.cos(angle)]) / np.sqrt(1.04)
        right = np.cross([0.0, 1.0, 0.0], backward)
        right /= np.linalg.norm(right)
        rotation = np.stack([right, -np.cross(backward, right), -backward])
        focal = (60.0, 60.0) if simple else (58.0 + index, 61.0)
        principal = (SIZE[0] / 2, SIZE[1] / 2) if simple else (33.0 + index, 22.5)
        cameras[name] = Camera(focal, principal, rotation, np.array([0.0, 0.0, 1.7]), distortion)
    return cameras


def draw(pixels: np.ndarray) -> np.ndarray:
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    dots = [np.exp(-0.5 * ((x - u) ** 2 + (y - v) ** 2) / 2.0**2) for u, v in pixels]
    return np.round(BACKGROUND + (255.0 - BACKGROUND) * np.stack(dots, axis=-1)).astype(np.uint8)


def write_videos(folder: Path, cameras: dict[str, Camera], first: dict[str, int] | None = None) -> None:
    """Videos whose first frames show moments of one's choice."""
    folder.mkdir(parents=True)
    for name, camera in cameras.items():
        start = (first or {}).get(name, 0)
        moments = range(start, start + NUM_FRAMES)
        write_video(folder / f"{name}.mp4", [draw(camera.project(points_at(moment))) for moment in moments], rate=25)


def opencv_values(camera: Camera) -> dict[str, Any]:
    (fx, fy), (cx, cy) = camera.focal, camera.principal
    return {
        "camera_matrix": np.array([[fx, 0.0, cx - 0.5], [0.0, fy, cy - 0.5], [0.0, 0.0, 1.0]]),
        "distortion_coefficients": camera.distortion[None],
    }


def write_opencv_yaml(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        storage = cv2.FileStorage(str(folder / f"{name}.yml"), cv2.FILE_STORAGE_WRITE)
        storage.write("calibration_time", "Tue")
        storage.write("image_width", SIZE[0])
        storage.write("image_height", SIZE[1])
        for key, value in opencv_values(camera).items():
            storage.write(key, value)
        storage.write("R", camera.rotation)
        storage.write("T", camera.translation[:, None])
        storage.release()
    return folder


def write_json(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        record = {key: value.tolist() for key, value in opencv_values(camera).items()}
        record["rvec"] = cv2.Rodrigues(camera.rotation)[0].tolist()
        record["tvec"] = camera.translation.tolist()
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


def write_opencv_json(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    for name, camera in cameras.items():
        matrices = {**opencv_values(camera), "R": camera.rotation, "T": camera.translation}
        storage = cv2.FileStorage(str(folder / f"{name}.json"), cv2.FILE_STORAGE_WRITE)
        for key, value in matrices.items():
            storage.write(key, value)
        storage.release()
    return folder


def _colmap_model(cameras: dict[str, Camera]) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """A model made with pictures twice as large, in which the last camera's image lies in a folder."""
    models, images = {}, {}
    for index, (name, camera) in enumerate(cameras.items(), start=1):
        k1, k2, p1, p2, *others = camera.distortion
        parameters = [2 * value for value in (*camera.focal, *camera.principal)] + [k1, k2, p1, p2, *others]
        models[index] = colmap.Camera(index, "FULL_OPENCV", 2 * SIZE[0], 2 * SIZE[1], np.array(parameters))
        image_name = f"{name}/000.png" if name == NAMES[-1] else f"{name}.png"
        pose = (colmap.rotmat2qvec(camera.rotation), camera.translation)
        images[index] = colmap.Image(index, *pose, index, image_name, np.array([[1.0, 2.0]]), np.array([7]))
    random = np.random.default_rng(0)
    points = {
        index: colmap.Point3D(index, xyz, np.array([1, 2, 3]), 0.5, np.array([1]), np.array([0]))
        for index, xyz in enumerate(random.uniform(-0.6, 0.6, size=(200, 3)), start=1)
    }
    return models, images, points


def write_colmap_text(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    models, images, points = _colmap_model(cameras)
    colmap.write_cameras_text(models, folder / "cameras.txt")
    colmap.write_images_text(images, folder / "images.txt")
    colmap.write_points3D_text(points, folder / "points3D.txt")
    return folder


def write_colmap_binary(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    models, images, points = _colmap_model(cameras)
    colmap.write_cameras_binary(models, folder / "cameras.bin")
    colmap.write_images_binary(images, folder / "images.bin")
    colmap.write_points3D_binary(points, folder / "points3D.bin")
    return folder


def write_llff(folder: Path, cameras: dict[str, Camera]) -> Path:
    folder.mkdir()
    rows = []
    for camera in cameras.values():
        right, down, forward = camera.rotation
        image = [2.0 * SIZE[1], 2.0 * SIZE[0], 2.0 * camera.focal[0]]
        matrix = np.column_stack([down, right, -forward, -camera.rotation.T @ camera.translation, image])
        rows.append([*matrix.flatten(), 0.8, 2.8])
    np.save(folder / "poses_bounds.npy", np.array(rows))
    return folder / "poses_bounds.npy"


def write_easymocap(folder: Path, cameras: dict[str, Camera]) -> Path:
    """The last camera has its rotation as a vector alone, and no size."""
    folder.mkdir()
    intrinsics, extrinsics = (
        cv2.FileStorage(str(folder / f"{kind}.yml"), cv2.FILE_STORAGE_WRITE) for kind in ("intri", "extri")
    )
    for storage in (intrinsics, extrinsics):
        storage.startWriteStruct("names", cv2.FileNode_SEQ)
        for name in cameras:
            storage.write("", name)
        storage.endWriteStruct()
    for name, camera in cameras.items():
        values = opencv_values(camera)
        intrinsics.write(f"K_{name}", values["camera_matrix"])
        intrinsics.write(f"dist_{name}", values["distortion_coefficients"])
        extrinsics.write(f"R_{name}", cv2.Rodrigues(camera.rotation)[0])
        extrinsics.write(f"T_{name}", camera.translation[:, None])
        if name != NAMES[-1]:
            intrinsics.write(f"W_{name}", SIZE[0])
            intrinsics.write(f"H_{name}", SIZE[1])
            extrinsics.write(f"Rot_{name}", camera.rotation)
    intrinsics.release()
    extrinsics.release()
    return folder


def toml_table(header: str, camera: Camera, **more: Any) -> str:
    """A table of anipose: its numbers are OpenCV's."""
    values = opencv_values(camera)
    record = {
        "size": [float(length) for length in SIZE],
        "matrix": values["camera_matrix"].tolist(),
        "distortions": camera.distortion.tolist(),
        "rotation": cv2.Rodrigues(camera.rotation)[0][:, 0].tolist(),
        "translation": camera.translation.tolist(),
        **more,
    }
    return "\n".join([f"[{header}]", *(f"{key} = {json.dumps(value)}" for key, value in record.items()), "", ""])


def write_anipose(folder: Path, cameras: dict[str, Camera]) -> Path:
    """Tables whose order is not that of the names, with what else such files hold."""
    folder.mkdir()
    reverse = list(cameras.items())[::-1]
    tables = [toml_table(f"cam_{index}", camera, name=name) for index, (name, camera) in enumerate(reverse)]
    path = folder / "calibration.toml"
    path.write_text("".join(tables) + "[metadata]\nadjusted = false\nerror = 0.5\n")
    return path


def write_caliscope(folder: Path, cameras: dict[str, Camera]) -> Path:
    """Rotations as matrices, and a camera without a video that was never calibrated; of videos named by number."""
    folder.mkdir()
    tables = [
        toml_table(f"cameras.{name.removeprefix('cam_')}", camera, rotation=camera.rotation.tolist(), fisheye=False)
        for name, camera in cameras.items()
    ]
    (folder / "camera_array.toml").write_text("".join(tables) + "[cameras.7]\ncam_id = 7\nsize = [64, 48]\n")
    (folder / "charuco.toml").write_text("columns = 4\nrows = 5\n")
    return folder


def write_pose2sim(folder: Path, cameras: dict[str, Camera]) -> Path:
    """Cameras that are called as the folders of their pictures of a board."""
    folder.mkdir()
    tables = [toml_table(f"int_{name}_img", camera, name=f"int_{name}_img") for name, camera in cameras.items()]
    (folder / "Calib.toml").write_text("".join(tables))
    return folder


def write_qualisys(folder: Path, cameras: dict[str, Camera]) -> Path:
    """The video shows a part of the sensor; lengths in millimetres, pixels in 64ths; without k4 to k6."""
    folder.mkdir()
    left, top = 8, 4
    parts = []
    for name, camera in cameras.items():
        k1, k2, p1, p2, k3 = camera.distortion[:5]
        right, up, back = camera.rotation * [[1.0], [-1.0], [-1.0]]
        x, y, z = -1000.0 * camera.rotation.T @ camera.translation
        (fx, fy), (cx, cy) = 64 * np.array(camera.focal), 64 * (np.array(camera.principal) - 0.5 + [left, top])
        axes = " ".join(
            f'r{row}{column}="{value!r}"'
            for row, axis in enumerate((right, up, back), start=1)
            for column, value in enumerate(axis.tolist(), start=1)
        )
        parts.append(
            f'<camera active="1" model="none" serial="{name}" viewrotation="0">'
            f'<fov_video left="{left}" top="{top}" right="{left + SIZE[0] - 1}" bottom="{top + SIZE[1] - 1}"/>'
            f'<transform x="{x}" y="{y}" z="{z}" {axes}/>'
            f'<intrinsic focalLengthU="{fx}" focalLengthV="{fy}" centerPointU="{cx}" centerPointV="{cy}" skew="0.0" '
            f'radialDistortion1="{k1}" radialDistortion2="{k2}" radialDistortion3="{k3}" '
            f'tangentalDistortion1="{p1}" tangentalDistortion2="{p2}"/></camera>'
        )
    path = folder / "Calib.qca.txt"
    path.write_text(
        f"<?xml version='1.0' encoding='ASCII'?>\n<calibration><cameras>{''.join(parts)}</cameras></calibration>"
    )
    return path


def transforms_frame(camera: Camera) -> dict[str, Any]:
    """A frame of nerfstudio, for pictures twice as large."""
    pose = np.eye(4)
    pose[:3] = np.column_stack([camera.rotation.T, -camera.rotation.T @ camera.translation]) * [1, -1, -1, 1]
    (fx, fy), (cx, cy) = 2 * np.array(camera.focal), 2 * np.array(camera.principal)
    k1, k2, p1, p2, k3, k4, k5, k6 = camera.distortion.tolist()
    return {
        **{"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": 2 * SIZE[0], "h": 2 * SIZE[1]},
        **{"k1": k1, "k2": k2, "k3": k3, "k4": k4, "k5": k5, "k6": k6, "p1": p1, "p2": p2},
        "transform_matrix": pose.tolist(),
    }


def write_transforms(folder: Path, cameras: dict[str, Camera]) -> Path:
    """Intrinsics of each frame; the last camera has two of them."""
    folder.mkdir()
    frames = [{"file_path": f"images/{name}.png", **transforms_frame(camera)} for name, camera in cameras.items()]
    frames[-1]["file_path"] = f"images/{NAMES[-1]}/000.png"
    frames.append(frames[-1] | {"file_path": f"images/{NAMES[-1]}/001.png"})
    (folder / "transforms.json").write_text(json.dumps({"camera_model": "FULL_OPENCV", "frames": frames}))
    return folder


FORMATS: dict[str, Callable[[Path, dict[str, Camera]], Path]] = {
    "OpenCV's YAML": write_opencv_yaml,
    "OpenCV's JSON": write_opencv_json,
    "JSON": write_json,
    "COLMAP's text": write_colmap_text,
    "COLMAP's binary": write_colmap_binary,
    "EasyMocap's": write_easymocap,
    "anipose's": write_anipose,
    "Pose2Sim's": write_pose2sim,
    "nerfstudio's": write_transforms,
}
"""Those that hold any lens of ours."""
