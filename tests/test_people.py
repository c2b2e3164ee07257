"""The segmenter of people: with a network that takes red ellipses for people, and the real one where it is there."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from resfields_ns.captures.masks import people
from resfields_ns.captures.masks.people import PersonSegmenter, Square


class _RedEllipses:
    """Stands for the pose network: a person is red, and fills a fair part of what is shown, but no edge of it."""

    def setInput(self, blob: np.ndarray) -> None:  # noqa: N802
        assert blob.shape == (1, 3, 256, 256) and blob.max() <= 1.0
        self.red = blob[0, 0] - blob[0, 1] > 0.5

    def forward(self, names: list[str]) -> list[np.ndarray]:
        landmarks, logits = np.zeros((39, 5), np.float32), np.where(self.red, 20.0, -20.0).astype(np.float32)
        edges = self.red[[0, -1]].any() or self.red[:, [0, -1]].any()
        is_person = 0.01 < self.red.mean() < 0.5 and not edges
        if is_person:
            rows, columns = np.nonzero(self.red)
            values, axes = np.linalg.eigh(np.cov(columns, rows))
            up = axes[:, 1] * -np.sign(axes[1, 1])
            landmarks[33, :2] = columns.mean(), rows.mean()
            landmarks[34, :2] = landmarks[33, :2] + 2.0 * np.sqrt(values[1]) * up
        outputs = {
            "Identity": landmarks.reshape(1, -1),
            "Identity_1": np.array([[float(is_person)]], np.float32),
            "Identity_2": logits[None, None],
        }
        return [outputs[name] for name in names]


@pytest.fixture
def segmenter(monkeypatch: pytest.MonkeyPatch) -> PersonSegmenter:
    monkeypatch.setattr(people, "_find_weights", lambda: Path("none"))
    monkeypatch.setattr(cv2.dnn, "readNetFromTFLite", lambda path: _RedEllipses())
    return PersonSegmenter()


def _picture(size: tuple[int, int], *persons: tuple[tuple[int, int], int, float]) -> np.ndarray:
    """(width, height) of a picture, and centre, height and tilt in degrees of its persons."""
    picture = np.full((size[1], size[0], 3), 60, np.uint8)
    for centre, height, tilt in persons:
        cv2.ellipse(picture, centre, (height // 5, height // 2), tilt, 0, 360, (255, 0, 0), -1)
    return picture


def _iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


@pytest.mark.parametrize("size", [(272, 480), (480, 272), (1080, 1920), (300, 300)])
@pytest.mark.parametrize("tilt", [-60.0, 0.0, 35.0])
@pytest.mark.parametrize("height", [0.2, 0.5])
@pytest.mark.parametrize("place", [(0.5, 0.5), (0.3, 0.7), (0.7, 0.35)])
def test_finds_people_of_any_size_place_and_tilt(
    place: tuple[float, float], height: float, tilt: float, size: tuple[int, int], segmenter: PersonSegmenter
) -> None:
    centre = (round(place[0] * size[0]), round(place[1] * size[1]))
    picture = _picture(size, (centre, round(height * min(size)), tilt))
    assert _iou(segmenter(picture), picture[..., 0] > 150) > 0.9


def test_the_largest_person_counts(segmenter: PersonSegmenter) -> None:
    near, far = ((150, 130), 120, 10.0), ((150, 380), 100, 0.0)
    both, alone = _picture((300, 500), near, far), _picture((300, 500), near)
    assert _iou(segmenter(both), alone[..., 0] > 150) > 0.9


def test_nobody_is_an_empty_mask(segmenter: PersonSegmenter) -> None:
    mask = segmenter(_picture((90, 160)))
    assert mask.shape == (160, 90) and not mask.any()


def test_a_square_is_shown_whole_and_upright() -> None:
    """Its middle comes to the middle, and what lies towards its top to the top."""
    square = Square(np.array([30.0, 50.0]), 40.0, np.radians(30.0))
    up = np.array([np.sin(square.angle), -np.cos(square.angle)])
    shown = cv2.transform(np.array([[square.centre, square.centre + 20.0 * up]]), square.to_network)[0]
    np.testing.assert_allclose(shown, [[127.5, 127.5], [127.5, -0.5]], atol=1e-9)


@pytest.mark.skipif(find_spec("mediapipe") is None, reason="its weights are not installed")
def test_with_the_real_network() -> None:
    data = pytest.importorskip("skimage.data")
    mask = PersonSegmenter()(data.astronaut())
    assert mask[100:200, 200:240].mean() > 0.9 and mask[400:, 150:300].mean() > 0.9
    assert not mask[:100, :150].any() and not mask[:300, 400:].any()
