"""glTF animations: nodes, skins and morph targets move as the specification says, and mistakes are named."""

import base64
import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.spatial.transform import Rotation

from resfields_ns.captures.meshes.colours import BlendedColours, TexturedColours, TintedColours, srgb_from_linear
from resfields_ns.captures.meshes.gltf_sequence import GltfSequence

_RANDOM = np.random.default_rng(0)
_VERTICES = _RANDOM.normal(size=(4, 3)).astype("<f4")
_FACES = np.array([0, 1, 2, 2, 3, 0], "<u2")
_COMPONENTS = {"|i1": 5120, "|u1": 5121, "<i2": 5122, "<u2": 5123, "<u4": 5125, "<f4": 5126}
_TURN = Rotation.from_euler("z", 120, degrees=True)
_STILL = {"translation": np.zeros((2, 3))}


class _Scene:
    """A glTF scene that is put together by hand: node 0 holds the mesh, and everything lies in buffer 0."""

    def __init__(self) -> None:
        self.data = b""
        self.json: dict[str, Any] = {
            "asset": {"version": "2.0"},
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [{"mesh": 0}],
            "accessors": [],
            "bufferViews": [],
            "animations": [],
        }
        attributes = {"POSITION": self.add(_VERTICES)}
        self.primitive: dict[str, Any] = {"attributes": attributes, "indices": self.add(_FACES)}
        self.json["meshes"] = [{"primitives": [self.primitive]}]

    def view(self, data: bytes) -> int:
        self.data += b"\0" * (-len(self.data) % 4)
        self.json["bufferViews"].append({"buffer": 0, "byteOffset": len(self.data), "byteLength": len(data)})
        self.data += data
        return len(self.json["bufferViews"]) - 1

    def add(self, array: np.ndarray, **extra: Any) -> int:
        """Add an accessor of an array of numbers, vectors or (row by row, as numpy has them) matrices."""
        array = array.astype("<f4") if array.dtype == np.float64 else array
        kind = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}[array.shape[1:]]
        data = (array.transpose(0, 2, 1) if kind == "MAT4" else array).tobytes()
        accessor = {"bufferView": self.view(data), "componentType": _COMPONENTS[array.dtype.str], "count": len(array)}
        self.json["accessors"].append(accessor | {"type": kind} | extra)
        return len(self.json["accessors"]) - 1

    def animate(
        self,
        values: dict[str, np.ndarray],
        times: np.ndarray | None = None,
        interpolation: str = "LINEAR",
        node: int = 0,
        name: str = "Walk",
    ) -> None:
        """Add an animation of a node's properties with keys at `times`, by default 0 and 1 second."""
        times = np.array([0.0, 1.0]) if times is None else times
        samplers, channels = [], []
        for index, (path, array) in enumerate(values.items()):
            output = array.reshape(-1) if path == "weights" else array.reshape(-1, array.shape[-1])
            sampler = {"input": self.add(times), "output": self.add(output), "interpolation": interpolation}
            samplers.append(sampler)
            channels.append({"sampler": index, "target": {"node": node, "path": path}})
        self.json["animations"].append({"name": name, "samplers": samplers, "channels": channels})

    def save(self, folder: Path, name: str = "scene.gltf") -> Path:
        uri = "data:application/octet-stream;base64," + base64.b64encode(self.data).decode()
        self.json["buffers"] = [{"byteLength": len(self.data), "uri": uri}]
        path = folder / name
        path.write_text(json.dumps(self.json))
        return path

    def save_binary(self, folder: Path) -> Path:
        self.json["buffers"] = [{"byteLength": len(self.data)}]
        text = json.dumps(self.json).encode()
        text += b" " * (-len(text) % 4)
        binary = self.data + b"\0" * (-len(self.data) % 4)
        chunks = (
            len(text).to_bytes(4, "little") + b"JSON" + text + len(binary).to_bytes(4, "little") + b"BIN\0" + binary
        )
        path = folder / "scene.glb"
        path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks)
        return path


@pytest.fixture
def scene() -> _Scene:
    return _Scene()


def _frames(path: Path, fps: float = 4.0, animation: str | None = None) -> list[np.ndarray]:
    sequence = GltfSequence(path, fps, animation)
    return [sequence.frame(index).vertices for index in range(len(sequence))]


def _check(found: list[np.ndarray], expected: list[np.ndarray]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def _png(picture: np.ndarray) -> bytes:
    stream = BytesIO()
    Image.fromarray(picture).save(stream, "png")
    return stream.getvalue()


# Animation


def test_moving_node_from_first_to_last_key(scene: _Scene, tmp_path: Path) -> None:
    """Keys at 0.5 s and 1 s: before the first key, and at 4 frames a second up to the last one."""
    scene.animate({"translation": np.array([[0.0, 0, 0], [1, 2, 3]])}, times=np.array([0.5, 1.0]))
    expected = [_VERTICES + share * np.array([1.0, 2, 3]) for share in (0.0, 0.0, 0.0, 0.5, 1.0)]
    _check(_frames(scene.save(tmp_path)), expected)
    _check(_frames(scene.save_binary(tmp_path)), expected)


def test_turning_node_takes_the_short_way_at_even_speed(scene: _Scene, tmp_path: Path) -> None:
    scene.animate({"rotation": np.stack([[0.0, 0, 0, 1], -_TURN.as_quat()])})
    turns = [Rotation.from_euler("z", angle, degrees=True) for angle in (0, 30, 60, 90, 120)]
    _check(_frames(scene.save(tmp_path)), [turn.apply(_VERTICES) for turn in turns])


def test_steps(scene: _Scene, tmp_path: Path) -> None:
    scene.animate({"scale": np.array([[1.0, 1, 1], [2, 3, 4]])}, interpolation="STEP")
    _check(_frames(scene.save(tmp_path), fps=2.0), [_VERTICES, _VERTICES, _VERTICES * [2, 3, 4]])


def test_splines_are_the_cubic_with_their_values_and_tangents(scene: _Scene, tmp_path: Path) -> None:
    """Keys of p(t) = t^3 - 2 t at 0.5 s and 2.5 s give back p between them."""
    times = np.array([0.5, 2.5])
    values, slopes = times**3 - 2 * times, 3 * times**2 - 2
    keys = np.stack([slopes, values, slopes], axis=1)[..., None] * np.array([1.0, -1.0, 0.5])
    scene.animate({"translation": keys}, times=times, interpolation="CUBICSPLINE")
    at = np.clip(np.arange(11) / 4.0, 0.5, 2.5)
    _check(_frames(scene.save(tmp_path)), [_VERTICES + p * np.array([1.0, -1.0, 0.5]) for p in at**3 - 2 * at])


def test_nodes_within_nodes(scene: _Scene, tmp_path: Path) -> None:
    """A parent turns, while its child stands still at a place of its own, which a matrix tells."""
    matrix = np.eye(4)
    matrix[:3, 3] = 1.0, 0.0, 0.0
    scene.json["nodes"] = [
        {"children": [1], "translation": [0, 5, 0]},
        {"mesh": 0, "matrix": matrix.T.ravel().tolist()},
    ]
    scene.animate({"rotation": np.stack([[0.0, 0, 0, 1], _TURN.as_quat()])})
    turns = [Rotation.from_euler("z", angle, degrees=True) for angle in (0, 60, 120)]
    expected = [turn.apply(_VERTICES + [1.0, 0, 0]) + [0.0, 5, 0] for turn in turns]
    _check(_frames(scene.save(tmp_path), fps=2.0), expected)


def test_morph_targets(scene: _Scene, tmp_path: Path) -> None:
    """Two targets, one of which is sparse: it moves vertex 2 alone."""
    targets = np.zeros((2, 4, 3))
    targets[0], targets[1, 2] = _RANDOM.normal(size=(4, 3)), [1.0, 2.0, 3.0]
    sparse = {
        "count": 1,
        "indices": {"bufferView": scene.view(np.array([2], "<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": scene.view(targets[1, 2].astype("<f4").tobytes())},
    }
    scene.json["accessors"].append({"componentType": 5126, "count": 4, "type": "VEC3", "sparse": sparse})
    last = len(scene.json["accessors"]) - 1
    scene.primitive["targets"] = [{"POSITION": scene.add(targets[0])}, {"POSITION": last}]
    scene.json["meshes"][0]["weights"] = [0.5, 1.0]
    scene.animate(_STILL, name="Still")
    scene.animate({"weights": np.array([[0.0, 1.0], [2.0, 0.0]])}, name="Morph")
    path = scene.save(tmp_path)
    _check(_frames(path, fps=0.1), [_VERTICES + 0.5 * targets[0] + targets[1]])
    expected = [_VERTICES + 2 * s * targets[0] + (1 - s) * targets[1] for s in (0.0, 0.5, 1.0)]
    _check(_frames(path, fps=2.0, animation="Morph"), expected)


def test_vertices_without_weight_follow_joint_0(
    scene: _Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As in viewers, and one line says so."""
    weights = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 0.5, 0, 0], [1, 0, 0, 0]], np.float32)
    joints = np.array([[0, 0, 0, 0], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]], np.uint8)
    scene.primitive["attributes"] |= {"JOINTS_0": scene.add(joints), "WEIGHTS_0": scene.add(weights)}
    scene.json["skins"] = [{"joints": [1, 2]}]
    scene.json["nodes"] = [{"mesh": 0, "skin": 0}, {}, {}]
    scene.json["scenes"][0]["nodes"] = [0, 1, 2]
    scene.animate({"translation": np.array([[0.0, 0, 0], [1.0, 0, 0]])}, node=1)
    first, last = _frames(scene.save(tmp_path), fps=1.0)
    moved = np.array([1.0, 0.0, 0.0])
    np.testing.assert_allclose(last - first, [moved, 0 * moved, 0 * moved, moved], atol=1e-6)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "no weight" in line]
    assert line.endswith("1 of 4 vertices have no weight: they follow joint 0 of the skin.")


@pytest.mark.parametrize("kind", [np.float64, np.uint8])
def test_skin(scene: _Scene, tmp_path: Path, kind: type) -> None:
    """Each vertex is moved by its joints' transforms after their inverse bind matrices; its node's place is unused."""
    joints = np.array([[0, 1, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [1, 0, 0, 0]], np.uint8)
    weights = np.array([[0.2, 0.8, 0, 0], [1, 0, 0, 0], [0.6, 0.4, 0, 0], [0.4, 0.6, 0, 0]])
    stored = weights if kind is np.float64 else np.round(255 * weights).astype(np.uint8)
    scene.primitive["attributes"] |= {
        "JOINTS_0": scene.add(joints),
        "WEIGHTS_0": scene.add(stored, normalized=kind is np.uint8),
    }
    inverse = np.stack([np.eye(4), np.eye(4)])
    inverse[1, :3, 3] = -0.5, 0.0, 1.0
    scene.json["skins"] = [{"joints": [1, 2], "inverseBindMatrices": scene.add(inverse)}]
    scene.json["nodes"] = [
        {"mesh": 0, "skin": 0, "translation": [9, 9, 9]},
        {"children": [2], "translation": [0, 1, 0]},
        {"translation": [0.5, 0, -1]},
    ]
    scene.json["scenes"][0]["nodes"] = [0, 1]
    scene.animate({"rotation": np.stack([[0.0, 0, 0, 1], _TURN.as_quat()])}, node=2)
    found = _frames(scene.save(tmp_path), fps=2.0)
    for angle, vertices in zip((0, 60, 120), found, strict=True):
        places = [np.eye(4), np.eye(4)]
        places[0][:3, 3] = 0, 1, 0
        places[1][:3, :3] = Rotation.from_euler("z", angle, degrees=True).as_matrix()
        places[1][:3, 3] = 0.5, 1, -1
        for vertex, joint, weight, moved in zip(_VERTICES, joints, weights, vertices, strict=True):
            point = np.append(vertex, 1.0)
            parts = [w * (places[j] @ inverse[j] @ point) for j, w in zip(joint, weight, strict=True)]
            np.testing.assert_allclose(moved, np.sum(parts, axis=0)[:3], atol=1e-6)


def test_animations_by_name(scene: _Scene, tmp_path: Path) -> None:
    scene.animate({"translation": np.ones((2, 3))}, name="One")
    scene.animate({"translation": np.full((2, 3), 2.0)}, name="Two")
    path = scene.save(tmp_path)
    _check(_frames(path, fps=1.0), [_VERTICES + 1.0] * 2)
    _check(_frames(path, fps=1.0, animation="Two"), [_VERTICES + 2.0] * 2)
    _expect(path, "--animation: expected one of One, Two of", "found 'Run'", animation="Run")


def test_files_beside_the_json_and_rows_with_gaps(scene: _Scene, tmp_path: Path) -> None:
    """A buffer in a file of its own, whose rows hold a position and 4 bytes of something else."""
    scene.animate(_STILL)
    rows = np.concatenate([_VERTICES, np.zeros((4, 1), "<f4")], axis=1).tobytes()[:-4]
    scene.json["bufferViews"][0] = {"buffer": 1, "byteLength": len(rows), "byteStride": 16}
    path = scene.save(tmp_path)
    scene.json["buffers"].append({"byteLength": len(rows), "uri": "the%20rows.bin"})
    path.write_text(json.dumps(scene.json))
    (tmp_path / "the rows.bin").write_bytes(rows)
    _check(_frames(path, fps=1.0), [_VERTICES] * 2)
    (tmp_path / "the rows.bin").unlink()
    _expect(path, "buffer 1: expected the file", "the rows.bin, found no such file")


# Colours


def test_colours_are_texture_times_factor_times_colours_of_vertices(scene: _Scene, tmp_path: Path) -> None:
    picture = _RANDOM.integers(0, 256, (3, 2, 3), np.uint8)
    uv, colours = _RANDOM.uniform(size=(4, 2)), _RANDOM.uniform(size=(4, 4))
    scene.json["images"] = [{"bufferView": scene.view(_png(picture)), "mimeType": "image/png"}]
    scene.json["textures"] = [{"source": 0}]
    surface: dict[str, Any] = {"baseColorTexture": {"index": 0, "texCoord": 1}}
    scene.json["materials"] = [{"pbrMetallicRoughness": surface}]
    scene.primitive["material"] = 0
    scene.primitive["attributes"]["TEXCOORD_1"] = scene.add(uv)
    scene.animate(_STILL)
    faces = _FACES.reshape(-1, 3)
    plain = GltfSequence(scene.save(tmp_path)).frame(0).colours
    assert isinstance(plain, TexturedColours)
    np.testing.assert_array_equal(plain.picture, picture)
    np.testing.assert_allclose(plain.corners, uv[faces], atol=1e-7)

    surface["baseColorFactor"] = [0.5, 1.0, 0.25, 1.0]
    scene.primitive["attributes"]["COLOR_0"] = scene.add(colours)
    tinted = GltfSequence(scene.save(tmp_path)).frame(0).colours
    assert isinstance(tinted, TintedColours)
    tint = colours[:, :3] * [0.5, 1.0, 0.25]
    np.testing.assert_allclose(tinted.corners, tint[faces], atol=1e-7)

    del surface["baseColorTexture"]
    blended = GltfSequence(scene.save(tmp_path)).frame(0).colours
    assert isinstance(blended, BlendedColours)
    np.testing.assert_allclose(blended.corners, srgb_from_linear(tint)[faces], atol=1e-6)


def test_parts_are_joined(scene: _Scene, tmp_path: Path) -> None:
    scene.json["materials"] = [{"pbrMetallicRoughness": {"baseColorFactor": [1, 0, 0, 1]}}]
    second = {"attributes": {"POSITION": scene.add(_VERTICES + 1.0)}, "material": 0}
    second["indices"] = scene.add(np.array([0, 2, 3], "<u4"))
    scene.json["meshes"].append({"primitives": [second]})
    scene.json["nodes"].append({"mesh": 1})
    scene.json["scenes"][0]["nodes"] = [0, 1]
    scene.animate(_STILL)
    frame = GltfSequence(scene.save(tmp_path)).frame(0)
    np.testing.assert_allclose(frame.vertices, np.concatenate([_VERTICES, _VERTICES + 1.0]))
    np.testing.assert_array_equal(frame.faces, [[0, 1, 2], [2, 3, 0], [4, 6, 7]])
    colours = frame.colours.at(np.array([0, 2]), np.full((2, 3), 1.0 / 3.0))
    np.testing.assert_allclose(colours, [[1, 1, 1], [1, 0, 0]])


# Mistakes


def _expect(path: Path, *parts: object, animation: str | None = None, fps: float | None = None) -> None:
    with pytest.raises(ValueError, match=".*".join(re.escape(str(part)) for part in parts)) as error:
        GltfSequence(path, fps, animation)
    assert "\n" not in str(error.value)


def _change_accessor(index: int, **values: Any) -> Callable[[_Scene], object]:
    return lambda scene: scene.json["accessors"][index].update(values)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s.json.update(extensionsRequired=["KHR_draco_mesh_compression"]),
            "expected no required extension but KHR_materials_unlit or KHR_mesh_quantization, found KHR_draco",
        ),
        (lambda s: s.json.update(animations=[]), "expected an animation, found none"),
        (lambda s: s.json.update(asset={"version": "1.0"}), "expected glTF 2.0, found version '1.0'"),
        (lambda s: s.json.pop("asset"), "expected glTF 2.0, found a file that is not (KeyError('asset'))"),
        (lambda s: s.json.pop("nodes"), "expected glTF 2.0, found one that breaks its rules (KeyError('nodes'))"),
        (lambda s: s.json["nodes"][0].pop("mesh"), "expected a mesh in its scene, found none"),
        (lambda s: s.json["nodes"][0].update(children=[0]), "expected nodes with one parent each, found a node"),
        (lambda s: s.primitive.update(mode=1), "mesh 0: expected triangles (mode 4), found mode 1"),
        (_change_accessor(0, count=1000000), "accessor 0: expected 12000000 bytes in rows of 12 or more, found 48"),
        (_change_accessor(0, count=-1), "accessor 0: expected sizes of 0 or more, found -1"),
        (_change_accessor(0, componentType=1), "accessor 0: componentType: expected one of 5120, 5121"),
        (_change_accessor(0, type="MAT2"), "accessor 0: type: expected one of SCALAR, VEC2, VEC3, VEC4, MAT4, found"),
        (_change_accessor(1, count=5), "mesh 0: expected three indices for each triangle, found 5"),
        (_change_accessor(0, count=3), "mesh 0: expected triangles of 3 vertices, found vertex 3"),
        (
            lambda s: s.json["bufferViews"][1].update(byteLength=10**6),
            "accessor 1: expected 1000048 bytes in buffer 0, found",
        ),
        (
            lambda s: s.animate({"rotation": np.zeros((2, 3))}) or s.json["animations"].pop(0),
            "expected 4 numbers of a rotation, found 3",
        ),
        (
            lambda s: s.animate({"rotation": np.zeros((2, 4))}) or s.json["animations"].pop(0),
            "animation Walk: expected rotations, found one of length 0",
        ),
        (
            lambda s: s.json["animations"][0]["samplers"][0].update(input=s.add(np.array([1.0, 1.0]))),
            "animation Walk: expected key times that grow, found [1.0, 1.0]",
        ),
        (
            lambda s: s.json["animations"][0]["samplers"][0].update(input=s.add(np.array([0.0, 1e9]))),
            "--fps: expected 100000 frames or fewer, found 30.0 a second for 1e+09 seconds",
        ),
        (
            lambda s: s.json["animations"][0]["samplers"][0].update(interpolation="QUICK"),
            "animation Walk: expected channels of translation, rotation, scale, weights by LINEAR, STEP, CUBICSPLINE",
        ),
        (
            lambda s: s.json.update(skins=[{"joints": [3]}]) or s.json["nodes"].extend([{}, {}, {}]),
            "skin 0: expected joints in the scene, found node 3",
        ),
        (
            lambda s: s.json.update(skins=[{"joints": [0]}]) or s.json["nodes"][0].update(skin=0),
            "mesh 0: expected JOINTS_0 and WEIGHTS_0 for its skin, found neither",
        ),
        (
            lambda s: s.json["meshes"][0].update(weights=[1.0]),
            "mesh 0: expected weights for 0 morph targets, found 1",
        ),
    ],
)
def test_mistakes(scene: _Scene, tmp_path: Path, change: Callable[[_Scene], object], message: str) -> None:
    scene.animate(_STILL)
    change(scene)
    path = scene.save(tmp_path)
    _expect(path, path, message)


def test_files_that_are_cut_short(scene: _Scene, tmp_path: Path) -> None:
    scene.animate(_STILL)
    path = scene.save_binary(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[:-8])
    _expect(path, path, f"expected {len(data)} bytes, found {len(data) - 8}")
    path.write_bytes(b"no glb at all")
    _expect(path, path, "expected a .glb file of version 2, found b'no g'")
    text = scene.save(tmp_path)
    content = json.loads(text.read_text())
    content["buffers"][0]["byteLength"] += 1
    text.write_text(json.dumps(content))
    _expect(text, "buffer 0: expected", f"{len(scene.data) + 1} bytes, found {len(scene.data)}")
    content["buffers"][0]["byteLength"] = -1
    text.write_text(json.dumps(content))
    _expect(text, "buffer 0: expected sizes of 0 or more, found -1")
    content["buffers"][0]["byteLength"] = len(scene.data) - 1
    text.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"expected .* bytes in buffer 0, found {len(scene.data) - 1}"):
        GltfSequence(text).frame(0)
    text.write_text(text.read_text()[:-5])
    _expect(text, text, "expected glTF 2.0, found a file that is not")


@pytest.mark.parametrize("properties", [{"rotation": [0, 0, 0, 0]}, {"scale": [1, 2]}, {"matrix": [1, 2, 3]}])
def test_node_at_no_place(scene: _Scene, tmp_path: Path, properties: dict[str, Any]) -> None:
    scene.animate(_STILL, node=5)
    scene.json["nodes"][0].update(properties)
    sequence = GltfSequence(scene.save(tmp_path))
    with pytest.raises(ValueError, match=r"scene\.gltf: node 0: expected a place of translation, rotation and scale"):
        sequence.frame(0)


def test_frames_a_second(scene: _Scene, tmp_path: Path) -> None:
    scene.animate(_STILL)
    path = scene.save(tmp_path)
    assert len(GltfSequence(path)) == 31
    _expect(path, "--fps: expected above 0, got 0.0", fps=0.0)
