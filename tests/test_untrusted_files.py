"""What files of others may not do: start programs, read other files, overflow the stack, or pass for whole."""

import json
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from resfields_ns.captures.camera import Camera, Lens
from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.captures.image_files import image_size, read_mask, read_picture
from resfields_ns.captures.json_file import read_array
from resfields_ns.captures.lens import check_lens
from resfields_ns.captures.meshes.gltf_sequence import GltfSequence
from resfields_ns.captures.meshes.mesh_files import read_mesh_file
from resfields_ns.captures.untrusted import check_count, check_file, check_numbers, path_beside, read_bytes
from resfields_ns.captures.video_file import probe_video
from resfields_ns.captures.videos.colmap_model import read_colmap_model
from resfields_ns.captures.videos.opencv_files import read_yaml
from resfields_ns.export.tracked_mesh import write_animated_glb
from resfields_ns.released.released_run import read_released_checkpoint
from tests.small_captures import write_video

_EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 24\n%%EndComments\nshowpage\n%%EOF\n"
_PICTURE = np.full((24, 32, 3), 90, np.uint8)
_LEVELS = 100_000


@pytest.mark.parametrize("read", [image_size, read_picture, read_mask])
def test_only_documented_formats_are_opened(read: object, tmp_path: Path) -> None:
    path = tmp_path / "0.png"
    path.write_bytes(_EPS)
    with pytest.raises(ValueError, match=r"0\.png: expected an image, found a file that cannot be read"):
        read(path)  # pyright: ignore[reportCallIssue]
    Image.fromarray(_PICTURE).save(path, "BMP")
    with pytest.raises(ValueError, match=r"0\.png: expected an image"):
        read(path)  # pyright: ignore[reportCallIssue]


def test_pipes_and_folders_are_no_pictures(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.png")
    (tmp_path / "1.png").mkdir()
    for name in ("0.png", "1.png"):
        with pytest.raises(ValueError, match=rf"{name}: expected an image"):
            image_size(tmp_path / name)


def test_pictures_of_more_pixels_than_their_bytes_can_tell(tmp_path: Path) -> None:
    Image.fromarray(_PICTURE).save(tmp_path / "0.png")
    data = bytearray((tmp_path / "0.png").read_bytes())
    data[16:24] = struct.pack(">II", 9000, 9000)
    head = bytes(data[12:29])
    data[29:33] = struct.pack(">I", zlib.crc32(head))
    (tmp_path / "0.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"0\.png: expected an image, .*9000x9000 pixels in \d+ bytes"):
        image_size(tmp_path / "0.png")


@pytest.mark.parametrize(
    "playlist", ["ffconcat version 1.0\nfile other.mp4\n", "#EXTM3U\n#EXTINF:1,\nother.mp4\n#EXT-X-ENDLIST\n"]
)
def test_playlists_are_no_videos(playlist: str, tmp_path: Path) -> None:
    write_video(tmp_path / "other.mp4", [_PICTURE] * 3)
    assert probe_video(tmp_path / "other.mp4").num_frames == 3
    (tmp_path / "clip.mp4").write_text(playlist)
    with pytest.raises(ValueError, match=r"clip\.mp4: expected a video, found a file that cannot be read"):
        open_footage(tmp_path / "clip.mp4")


def test_a_video_may_have_a_colon_in_its_name(tmp_path: Path) -> None:
    write_video(tmp_path / "other.mp4", [_PICTURE] * 3)
    (tmp_path / "other.mp4").rename(tmp_path / "http:x.mp4")
    assert probe_video(tmp_path / "http:x.mp4").num_frames == 3


_NESTED = {
    "braces": "a: " + "{a: " * _LEVELS + "1" + "}" * _LEVELS,
    "brackets": "a: " + "[" * _LEVELS,
    "dashes": "a:\n  " + "- " * _LEVELS + "1",
    "keys": "a:\n  " + "a: " * _LEVELS + "1",
    "dashes without blanks": "a:\n  " + "-" * _LEVELS,
}


@pytest.mark.parametrize("kind", _NESTED)
def test_deep_yaml_does_not_overflow_the_stack(kind: str, tmp_path: Path) -> None:
    (tmp_path / "cam0.yml").write_text(f"%YAML:1.0\n---\n{_NESTED[kind]}\n")
    with pytest.raises(ValueError, match=r"cam0\.yml: expected OpenCV's YAML.* levels in line"):
        read_yaml(tmp_path / "cam0.yml")


@pytest.mark.parametrize("content", ["<opencv_storage>" + "<a>" * _LEVELS, '{"a":' * _LEVELS])
def test_opencv_is_given_yaml_alone(content: str, tmp_path: Path) -> None:
    (tmp_path / "cam0.yml").write_text(content)
    with pytest.raises(ValueError, match=r"cam0\.yml: expected OpenCV's YAML, .*%YAML"):
        read_yaml(tmp_path / "cam0.yml")


def test_whole_numbers_are_read_as_they_are(tmp_path: Path) -> None:
    """OpenCV cuts them to 32 bits: a principal point of 1e20 would be one of -1."""
    numbers = [2147483647, 2147483648, -99999999999999999999, 12, 1234567890.5]
    (tmp_path / "cam0.yml").write_text(f"%YAML:1.0\n---\nsome: {numbers}\n")
    assert read_yaml(tmp_path / "cam0.yml") == {"some": [float(number) for number in numbers]}


@pytest.mark.parametrize(
    "named", ["../a.png", "a/../../b.png", "/etc/passwd", "file:///etc/passwd", "http://x/a", "a\0b"]
)
def test_files_name_others_beside_them_alone(named: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"scene\.gltf: buffer 0: expected the name of a file in the folder"):
        path_beside(tmp_path / "scene.gltf", named, f"{tmp_path / 'scene.gltf'}: buffer 0")
    assert path_beside(tmp_path / "scene.gltf", "a/../b.bin", "") == tmp_path / "b.bin"
    (tmp_path / "0.obj").write_text(f"mtllib {named}\nv 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n".replace("\0", "\\0"))
    if "\0" not in named:
        with pytest.raises(ValueError, match=r"0\.obj: expected the name of a file in the folder"):
            read_mesh_file(tmp_path / "0.obj")


_TRIANGLE = "v 0 0 0\nv 1 0 0\nv 0 1 0\n"


@pytest.mark.parametrize(
    "content",
    [
        _TRIANGLE + "f 0 1 2\n",
        _TRIANGLE + "f 1 2\n",
        _TRIANGLE + "f 1 2 x\n",
        _TRIANGLE + "f" + " 1 2 3" * 100_000 + "\n",
        "v 0 0\n",
    ],
)
def test_obj_faces_are_what_the_format_allows(content: str, tmp_path: Path) -> None:
    (tmp_path / "0.obj").write_text(content)
    with pytest.raises(ValueError, match=r"0\.obj: line \d+: expected"):
        read_mesh_file(tmp_path / "0.obj")
    (tmp_path / "0.obj").write_text(_TRIANGLE + "f -3 -2 -1\n")
    assert len(read_mesh_file(tmp_path / "0.obj").faces) == 1


def test_ply_cut_short_is_refused(tmp_path: Path) -> None:
    header = "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nproperty float y\nproperty float z\n"
    header += "element face 2\nproperty list uchar int vertex_indices\nend_header\n"
    whole = f"{header}0 0 0\n1 0 0\n0 1 0\n3 0 1 2\n3 2 1 0\n"
    (tmp_path / "0.ply").write_text(whole)
    assert len(read_mesh_file(tmp_path / "0.ply").faces) == 2
    for cut in (whole.removesuffix("3 2 1 0\n"), whole.removesuffix(" 0\n")):
        (tmp_path / "0.ply").write_text(cut)
        with pytest.raises(ValueError, match=r"0\.ply: .*expected \d (lines|words in a line), found"):
            read_mesh_file(tmp_path / "0.ply")


@pytest.mark.parametrize(("kind", "key"), [("primitives", "indices"), ("primitives", "material")])
def test_negative_indices_of_gltf_are_refused(kind: str, key: str, tmp_path: Path) -> None:
    corners = np.eye(4, 3)
    write_animated_glb(
        np.stack([corners, corners + 0.1]),
        np.array([[0, 1, 2], [1, 2, 3]]),
        np.full((4, 3), 0.5),
        10.0,
        tmp_path / "a.glb",
    )
    data = (tmp_path / "a.glb").read_bytes()
    length = int.from_bytes(data[12:16], "little")
    scene, rest = json.loads(data[20 : 20 + length]), data[20 + length :]
    scene["meshes"][0][kind][0][key] = -1
    scene.setdefault("materials", [{}])
    text = json.dumps(scene).encode()
    text += b" " * (-len(text) % 4)
    head = struct.pack("<4sIII4s", b"glTF", 2, 20 + len(text) + len(rest), len(text), b"JSON")
    (tmp_path / "a.glb").write_bytes(head + text + rest)
    with pytest.raises(ValueError, match=r"a\.glb: \w+: expected an index of \d+ entries, from 0 on, found -1"):
        GltfSequence(tmp_path / "a.glb")


@pytest.mark.parametrize(
    ("points", "message"),
    [
        (struct.pack("<Q", 10**12), r"expected at most 0 entries in 0 bytes, found 1000000000000"),
        (struct.pack("<QQ3d3BdQ", 1, 1, 0, 0, 0, 1, 2, 3, 0.5, 10**8), r"it ends \d+ bytes too early"),
        (struct.pack("<QQ3d3BdQ", 1, 1, 0, float("inf"), 0, 1, 2, 3, 0.5, 0), r"expected finite numbers, found inf"),
        (struct.pack("<QQ3d3BdQ", 1, 1, 0, 1e30, 0, 1, 2, 3, 0.5, 0), r"expected numbers from -1e\+09 to 1e\+09"),
        (struct.pack("<Q", 0) + b"more", r"4 bytes follow its last entry"),
    ],
)
def test_counts_and_points_of_colmap(points: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<QiiQQ3d", 1, 1, 0, 32, 24, 40, 16, 12))
    (tmp_path / "images.bin").write_bytes(struct.pack("<Q", 0))
    (tmp_path / "points3D.bin").write_bytes(points)
    with pytest.raises(ValueError, match=rf"points3D\.bin: .*{message}"):
        read_colmap_model(tmp_path, {})


def test_a_name_without_end_in_colmap(tmp_path: Path) -> None:
    (tmp_path / "cameras.bin").write_bytes(struct.pack("<QiiQQ3d", 1, 1, 0, 32, 24, 40, 16, 12))
    (tmp_path / "images.bin").write_bytes(struct.pack("<Qi7di", 1, 1, 1, 0, 0, 0, 0, 0, 0, 1) + b"x" * 10_000)
    with pytest.raises(ValueError, match=r"images\.bin: .*a name has no end"):
        read_colmap_model(tmp_path, {})


@pytest.mark.parametrize(
    "changed",
    [{"fx": 1e30}, {"fx": 1e-30}, {"fx": float("nan")}, {"cx": 1e30}, {"cy": float("inf")}, {"lens": Lens(k1=1e30)}]
    + [
        {"width": 10**6},
        {"pose": np.eye(3, 4) * 1e30},
        {"pose": np.eye(3, 4) + np.eye(3, 4, 3) * 1e30},
        {"pose": np.ones((3, 4))},
    ],
)
def test_cameras_that_are_none(changed: dict, tmp_path: Path) -> None:
    good = {"width": 32, "height": 24, "fx": 40.0, "fy": 40.0, "cx": 16.0, "cy": 12.0}
    assert Camera(**good).check("camera.json").fx == 40.0
    with pytest.raises(ValueError, match=r"camera\.json.*: expected"):
        Camera(**(good | changed)).check("camera.json")


@pytest.mark.parametrize(
    ("lens", "holds"),
    [
        (Lens(), True),
        (Lens(k1=-0.1, k2=0.02), True),
        (Lens(k1=0.3, p1=0.01), True),
        (Lens(k1=-3.0), False),  # r (1 - 3 r^2) turns back at r = 1/3, before the corners
        (Lens(k1=-3.0, k2=4.0), False),  # and goes on outwards again
        (Lens(p2=1.0), False),
    ],
)
def test_lenses_that_fold_back_in_the_picture(lens: Lens, holds: bool) -> None:
    camera = Camera(32, 24, 40.0, 40.0, 16.0, 12.0, lens)
    if holds:
        assert check_lens(camera, "cam0.yml") is camera
    else:
        with pytest.raises(ValueError, match=r"cam0\.yml: expected a lens model that holds up to the image's border"):
            check_lens(camera, "cam0.yml")


def test_truth_values_are_no_numbers() -> None:
    for value in ([True, 1.0], [1.0, False]):
        with pytest.raises(ValueError, match=r"a\.json: x: expected 2 numbers, found"):
            read_array({"x": value}, "x", (2,), "a.json")


def test_large_and_special_files(tmp_path: Path) -> None:
    with (tmp_path / "sparse.json").open("wb") as file:
        file.truncate(8 * 2**30)
    with pytest.raises(ValueError, match=r"sparse\.json: expected JSON, found a file of 8589934592 bytes, above"):
        read_bytes(tmp_path / "sparse.json", "JSON")
    for path in (Path("/dev/zero"), tmp_path, tmp_path / ("a" * 5000), tmp_path / "missing"):
        with pytest.raises(ValueError, match="expected JSON, found"):
            check_file(path, "JSON")
    with pytest.raises(ValueError, match="a: expected at most 2 entries in 10 bytes, found 3"):
        check_count(3, 4, 10, "a")
    for value in (np.nan, np.inf, -1e30):
        with pytest.raises(ValueError, match="a: expected"):
            check_numbers([0.0, value], "a")


def test_array_of_a_negative_shape(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (-1, 17), }".ljust(117) + b"\n"
    (tmp_path / "clip.npy").write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    with pytest.raises(ValueError, match=r"clip\.npy: expected an array of numbers, found a file that cannot be read"):
        open_footage(tmp_path / "clip.npy")


def test_a_checkpoint_that_unpacks_to_more(tmp_path: Path) -> None:
    torch.save({"global_step": 7, "state_dict": {"model.weight": torch.zeros(100_000)}}, tmp_path / "whole.ckpt")
    with (
        zipfile.ZipFile(tmp_path / "whole.ckpt") as whole,
        zipfile.ZipFile(tmp_path / "last.ckpt", "w", zipfile.ZIP_DEFLATED) as packed,
    ):
        for name in whole.namelist():
            packed.writestr(name, whole.read(name))
    assert read_released_checkpoint(tmp_path / "whole.ckpt").num_steps == 7
    with pytest.raises(ValueError, match=r"last\.ckpt: expected tensors"):
        read_released_checkpoint(tmp_path / "last.ckpt")
